//! The C interface declared in sluice_text.h. Nothing unwinds over this border: a panic in a dependency becomes an
//! error text.

mod progress;
mod python;
mod template;

use std::any::Any;
use std::ffi::{c_char, CString};
use std::panic::{catch_unwind, set_hook, AssertUnwindSafe};
use std::sync::Once;
use template::Template;
use tokenizers::Tokenizer;

/// Bytes of the caller, borrowed for one call. `data` may be null when `size` is 0.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Slice {
    data: *const u8,
    size: usize,
}

/// Bytes handed to the caller, who gives them back to sluice_text_free_string.
#[repr(C)]
pub struct OwnedString {
    data: *mut u8,
    size: usize,
}

/// Ids handed to the caller, who gives them back to sluice_text_free_ids.
#[repr(C)]
pub struct OwnedIds {
    data: *mut u32,
    size: usize,
}

impl Slice {
    unsafe fn bytes(&self) -> &[u8] {
        slice_of(self.data, self.size)
    }

    unsafe fn text(&self) -> Result<&str, String> {
        std::str::from_utf8(self.bytes()).map_err(|error| format!("text is not UTF-8: {error}"))
    }
}

unsafe fn slice_of<'a, T>(data: *const T, size: usize) -> &'a [T] {
    if size == 0 {
        return &[];
    }
    std::slice::from_raw_parts(data, size)
}

fn own<T>(items: Vec<T>) -> (*mut T, usize) {
    let items = items.into_boxed_slice();
    let size = items.len();
    (Box::into_raw(items) as *mut T, size)
}

unsafe fn disown<T>(data: *mut T, size: usize) {
    if !data.is_null() {
        drop(Box::from_raw(std::ptr::slice_from_raw_parts_mut(data, size)));
    }
}

fn own_string(text: String) -> OwnedString {
    let (data, size) = own(text.into_bytes());
    OwnedString { data, size }
}

/// Runs `body` and writes its value to `out`; the result is null, or an error text for sluice_text_free_error.
unsafe fn run<T>(out: *mut T, body: impl FnOnce() -> Result<T, String>) -> *mut c_char {
    silence_panics();
    let error = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(value)) => {
            out.write(value);
            return std::ptr::null_mut();
        }
        Ok(Err(text)) => text,
        Err(payload) => format!("internal error: {}", panic_text(&*payload)),
    };
    CString::new(error.replace('\0', "\u{fffd}")).unwrap_or_default().into_raw()
}

/// The library prints nothing, and the default hook would write every caught panic to standard error.
fn silence_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| set_hook(Box::new(|_| {})));
}

fn panic_text(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| text.to_string());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "panic".into())
}

/// minijinja's Display names the kind, the detail and the line; its sources hold what the detail leaves out.
fn template_error(error: minijinja::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(inner) = source {
        text += &format!(": {inner}");
        source = inner.source();
    }
    text
}

fn load_tokenizer(json: &[u8]) -> Result<Tokenizer, String> {
    let mut tokenizer = Tokenizer::from_bytes(json).map_err(|error| error.to_string())?;
    // The file may carry the truncation and padding of its training run; a prompt must be encoded whole.
    tokenizer.with_truncation(None).map_err(|error| error.to_string())?;
    tokenizer.with_padding(None);
    Ok(tokenizer)
}

#[no_mangle]
pub unsafe extern "C" fn sluice_text_tokenizer_new(json: Slice, out: *mut *mut Tokenizer) -> *mut c_char {
    run(out, || Ok(Box::into_raw(Box::new(load_tokenizer(json.bytes())?))))
}

#[no_mangle]
pub unsafe extern "C" fn sluice_text_tokenizer_free(tokenizer: *mut Tokenizer) {
    if !tokenizer.is_null() {
        drop(Box::from_raw(tokenizer));
    }
}

#[no_mangle]
pub unsafe extern "C" fn sluice_text_encode(
    tokenizer: *const Tokenizer,
    text: Slice,
    add_special_tokens: bool,
    out: *mut OwnedIds,
) -> *mut c_char {
    run(out, || {
        let encoding = (*tokenizer).encode_fast(text.text()?, add_special_tokens).map_err(|error| error.to_string())?;
        let (data, size) = own(encoding.get_ids().to_vec());
        Ok(OwnedIds { data, size })
    })
}

#[no_mangle]
pub unsafe extern "C" fn sluice_text_decode(
    tokenizer: *const Tokenizer,
    ids: *const u32,
    count: usize,
    skip_special_tokens: bool,
    out: *mut OwnedString,
) -> *mut c_char {
    run(out, || {
        let text = (*tokenizer).decode(slice_of(ids, count), skip_special_tokens);
        text.map(own_string).map_err(|error| error.to_string())
    })
}

#[no_mangle]
pub unsafe extern "C" fn sluice_text_token_to_id(
    tokenizer: *const Tokenizer,
    token: Slice,
    found: *mut bool,
    out: *mut u32,
) -> *mut c_char {
    run(out, || {
        let id = (*tokenizer).token_to_id(token.text()?);
        found.write(id.is_some());
        Ok(id.unwrap_or(0))
    })
}

#[no_mangle]
pub unsafe extern "C" fn sluice_text_id_to_token(
    tokenizer: *const Tokenizer,
    id: u32,
    found: *mut bool,
    out: *mut OwnedString,
) -> *mut c_char {
    run(out, || {
        let token = (*tokenizer).id_to_token(id);
        found.write(token.is_some());
        Ok(own_string(token.unwrap_or_default()))
    })
}

#[no_mangle]
pub unsafe extern "C" fn sluice_text_is_special(tokenizer: *const Tokenizer, id: u32, out: *mut bool) -> *mut c_char {
    run(out, || {
        let token = (*tokenizer).id_to_token(id);
        Ok(token.is_some_and(|token| (*tokenizer).get_added_vocabulary().is_special_token(&token)))
    })
}

#[no_mangle]
pub unsafe extern "C" fn sluice_text_vocab_size(tokenizer: *const Tokenizer, out: *mut usize) -> *mut c_char {
    run(out, || Ok((*tokenizer).get_vocab_size(true)))
}

#[no_mangle]
pub unsafe extern "C" fn sluice_text_template_new(text: Slice, out: *mut *mut Template) -> *mut c_char {
    run(out, || Ok(Box::into_raw(Box::new(Template::parse(text.text()?).map_err(template_error)?))))
}

#[no_mangle]
pub unsafe extern "C" fn sluice_text_template_free(template: *mut Template) {
    if !template.is_null() {
        drop(Box::from_raw(template));
    }
}

#[no_mangle]
pub unsafe extern "C" fn sluice_text_template_render(
    template: *const Template,
    context: Slice,
    out: *mut OwnedString,
) -> *mut c_char {
    run(out, || {
        let context = serde_json::from_slice(context.bytes()).map_err(|error| format!("context: {error}"))?;
        (*template).render(&context).map(own_string).map_err(template_error)
    })
}

#[no_mangle]
pub unsafe extern "C" fn sluice_text_free_error(error: *mut c_char) {
    if !error.is_null() {
        drop(CString::from_raw(error));
    }
}

#[no_mangle]
pub unsafe extern "C" fn sluice_text_free_string(string: OwnedString) {
    disown(string.data, string.size);
}

#[no_mangle]
pub unsafe extern "C" fn sluice_text_free_ids(ids: OwnedIds) {
    disown(ids.data, ids.size);
}
