// The C border of the Rust crate beside this file; only tokenizer.cpp and chat_template.cpp include it. Every function
// that can fail returns null, or an error text that the caller frees with sluice_text_free_error; `out` is written on
// success only. A tokenizer or a template may be used by several threads at once. Nothing unwinds over this border.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct SluiceTextTokenizer SluiceTextTokenizer;
typedef struct SluiceTextTemplate SluiceTextTemplate;

// Borrowed for one call; data may be null when size is 0. Text is UTF-8 and may hold NUL.
typedef struct SluiceTextSlice {
  const char* data;
  size_t size;
} SluiceTextSlice;

// Owned by the caller, who gives it back to sluice_text_free_string.
typedef struct SluiceTextString {
  char* data;
  size_t size;
} SluiceTextString;

// Owned by the caller, who gives it back to sluice_text_free_ids.
typedef struct SluiceTextIds {
  uint32_t* data;
  size_t size;
} SluiceTextIds;

// json: the bytes of a tokenizer.json. Truncation and padding set in it are ignored.
char* sluice_text_tokenizer_new(SluiceTextSlice json, SluiceTextTokenizer** out);
void sluice_text_tokenizer_free(SluiceTextTokenizer* tokenizer);
char* sluice_text_encode(const SluiceTextTokenizer* tokenizer, SluiceTextSlice text, bool add_special_tokens,
                         SluiceTextIds* out);
char* sluice_text_decode(const SluiceTextTokenizer* tokenizer, const uint32_t* ids, size_t count,
                         bool skip_special_tokens, SluiceTextString* out);
char* sluice_text_token_to_id(const SluiceTextTokenizer* tokenizer, SluiceTextSlice token, bool* found, uint32_t* out);
char* sluice_text_id_to_token(const SluiceTextTokenizer* tokenizer, uint32_t id, bool* found, SluiceTextString* out);
char* sluice_text_is_special(const SluiceTextTokenizer* tokenizer, uint32_t id, bool* out);
char* sluice_text_vocab_size(const SluiceTextTokenizer* tokenizer, size_t* out);

char* sluice_text_template_new(SluiceTextSlice text, SluiceTextTemplate** out);
void sluice_text_template_free(SluiceTextTemplate* chat_template);
// context: a JSON object, the variables of the template.
char* sluice_text_template_render(const SluiceTextTemplate* chat_template, SluiceTextSlice context,
                                  SluiceTextString* out);

void sluice_text_free_error(char* error);
void sluice_text_free_string(SluiceTextString string);
void sluice_text_free_ids(SluiceTextIds ids);

#ifdef __cplusplus
}
#endif
