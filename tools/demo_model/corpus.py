"""Builds the demo model's corpus and tokenizer from public-domain texts that Debian packages.

Sources (unpacked with `dpkg -x` below --root, or installed, with --root /):
  bible-kjv, bible-kjv-text   King James Version
  sword-text-web              World English Bible (its 66 protocanonical books)
  r-cran-janeaustenr          the six novels of Jane Austen

Writes to --out: train.npy and val.npy (uint16 token streams, each chapter as <s> text </s>),
tokenizer.json, tokenizer_config.json and corpus.json (the counts that the model card quotes).
Writes the fixed evaluation windows to validation.npy beside this script.
"""

import argparse
import json
import re
import struct
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

VOCAB_SIZE = 4096
PAD, BOS, EOS = "<pad>", "<s>", "</s>"
HOLD_OUT_EVERY, HOLD_OUT_AT = 20, 10
WINDOWS, WINDOW_TOKENS = 16, 512
CANON = (
    "Gen Exod Lev Num Deut Josh Judg Ruth 1Sam 2Sam 1Kgs 2Kgs 1Chr 2Chr Ezra Neh Esth Job Ps Prov Eccl Song "
    "Isa Jer Lam Ezek Dan Hos Joel Amos Obad Jonah Mic Nah Hab Zeph Hag Zech Mal Matt Mark Luke John Acts Rom "
    "1Cor 2Cor Gal Eph Phil Col 1Thess 2Thess 1Tim 2Tim Titus Phlm Heb Jas 1Pet 2Pet 1John 2John 3John Jude Rev"
).split()
NOVELS = ["emma", "mansfieldpark", "northangerabbey", "persuasion", "prideprejudice", "sensesensibility"]
ASCII_PUNCTUATION = str.maketrans({"“": '"', "”": '"', "‘": "'", "’": "'", "—": "--", "–": "-", "\u00a0": " "})
# The chat template joins the turns as one running text: the model continues what it is given.
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] != 'assistant' and not loop.first %}{{ '\\n' }}{% endif %}"
    "{{ message['content'] }}{% endfor %}"
)

Chapter = tuple[int, str]  # running number that decides the hold-out, text


def kjv_chapters(root: Path) -> Iterator[Chapter]:
    command = [str(root / "usr/bin/bible"), "-d", str(root / "usr/lib/bible.data"), "-f", "Gen1:1-Rev22:21"]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    chapters: dict[str, list[str]] = {}
    for line in listing.splitlines():
        match = re.match(r"(\w+?)(\d+):\d+ (.+)", line)
        if match:
            chapters.setdefault(f"{match[1]}.{match[2]}", []).append(match[3].strip())
    books = list(dict.fromkeys(key.split(".")[0] for key in chapters))
    for key, verses in chapters.items():
        book, chapter = key.split(".")
        yield chapter_number(books.index(book), int(chapter)), "\n".join(verses)


def chapter_number(book: int, chapter: int) -> int:
    """The same number for a Bible chapter in both translations, so that both hold out the same ones."""
    return book * 7 + chapter


def web_chapters(root: Path) -> Iterator[Chapter]:
    folder = root / "usr/share/sword/modules/texts/ztext/engWEB2015eb"
    seen: set[str] = set()
    pattern = re.compile(r'<chapter [^>]*osisID="(\w+)\.(\d+)"[^>]*/>(.*?)<chapter eID="\1\.\2"', re.S)
    for testament in ("ot", "nt"):
        for markup in sword_blocks(folder, testament):
            for book, chapter, body in pattern.findall(markup):
                if book in CANON and f"{book}.{chapter}" not in seen:
                    seen.add(f"{book}.{chapter}")
                    yield chapter_number(CANON.index(book), int(chapter)), osis_text(body)


def sword_blocks(folder: Path, testament: str) -> Iterator[str]:
    index = (folder / f"{testament}.bzs").read_bytes()
    data = (folder / f"{testament}.bzz").read_bytes()
    for offset, size, _ in struct.iter_unpack("<III", index):
        yield zlib.decompress(data[offset : offset + size]).decode("utf-8")


def osis_text(markup: str) -> str:
    markup = re.sub(r"<note\b.*?</note>|<title\b.*?</title>", " ", markup, flags=re.S)
    markup = re.sub(r'<div [^>]*sID="[^"]*" type="x-p"[^>]*/>', "\n", markup)
    text = re.sub(r"<[^>]+>", lambda tag: " " if tag[0].startswith(("<l ", "<lg", "<div")) else "", markup)
    return tidy(text)


def austen_chapters(root: Path) -> Iterator[Chapter]:
    folder = root / "usr/lib/R/site-library/janeaustenr/data"
    number = 0
    for lines in lazy_load_texts((folder / "Rdata.rdb").read_bytes()):
        chapters = re.split(r"(?im)^chapter\b.*$", "\n".join(lines))
        for chapter in chapters[1:]:
            chapter = re.sub(r"(?m)^\s*(volume|finis|the end|end of the project).*$", "", chapter, flags=re.I)
            paragraphs = [paragraph.replace("\n", " ") for paragraph in re.split(r"\n\s*\n", chapter)]
            yield number, tidy("\n".join(paragraphs).replace("_", ""))
            number += 1


def lazy_load_texts(database: bytes) -> Iterator[list[str]]:
    """The character vectors of an R lazy-load database: a big-endian length, then zlib, for each."""
    position, found = 0, 0
    while found < len(NOVELS):
        stream = zlib.decompressobj()
        serialized = stream.decompress(database[position + 4 :])
        position = len(database) - len(stream.unused_data)
        yield character_vector(serialized)
        found += 1


def character_vector(serialized: bytes) -> list[str]:
    """Reads a version 3 XDR serialization ('X\\n', versions, native encoding) of one character vector."""
    encoding_length = struct.unpack_from(">i", serialized, 14)[0]
    position = 18 + encoding_length
    _, count = struct.unpack_from(">ii", serialized, position)
    position += 8
    lines = []
    for _ in range(count):
        _, length = struct.unpack_from(">ii", serialized, position)
        position += 8
        lines.append(serialized[position : position + length].decode("utf-8"))
        position += length
    return lines


def tidy(text: str) -> str:
    text = text.translate(ASCII_PUNCTUATION)
    lines = [re.sub(r"\s+", " ", line).strip() for line in text.split("\n")]
    lines = [re.sub(r" +([,.;:?!])", r"\1", line) for line in lines]
    return "\n".join(line for line in lines if line)


def train_tokenizer(texts: list[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB_SIZE,
        special_tokens=[PAD, BOS, EOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", pair=f"{BOS} $A {BOS} $B", special_tokens=[(BOS, tokenizer.token_to_id(BOS))]
    )
    return tokenizer


def token_stream(tokenizer: Tokenizer, texts: list[str]) -> np.ndarray:
    eos = tokenizer.token_to_id(EOS)
    encoded = tokenizer.encode_batch(texts)
    return np.concatenate([np.array(item.ids + [eos], dtype=np.uint16) for item in encoded])


def validation_windows(stream: np.ndarray, bos: int) -> np.ndarray:
    """Evenly spaced windows of the held-out stream, each <s> and then running text."""
    starts = np.linspace(0, len(stream) - WINDOW_TOKENS, WINDOWS).astype(int)
    windows = np.stack([stream[start : start + WINDOW_TOKENS] for start in starts])
    windows[:, 0] = bos
    return windows


def write_tokenizer(tokenizer: Tokenizer, out: Path) -> None:
    tokenizer.save(str(out / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": BOS,
        "eos_token": EOS,
        "pad_token": PAD,
        "add_bos_token": True,
        "clean_up_tokenization_spaces": False,
        "model_max_length": 1024,
        "chat_template": CHAT_TEMPLATE,
    }
    (out / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=Path("/"), help="where the Debian packages are unpacked")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)

    sources = {"kjv": kjv_chapters, "web": web_chapters, "austen": austen_chapters}
    train: list[str] = []
    held_out: list[str] = []
    counts = {}
    for name, read in sources.items():
        chapters = list(read(args.root))
        split = {True: held_out, False: train}
        for number, text in chapters:
            split[number % HOLD_OUT_EVERY == HOLD_OUT_AT].append(text)
        counts[name] = {
            "chapters": len(chapters),
            "held_out": sum(number % HOLD_OUT_EVERY == HOLD_OUT_AT for number, _ in chapters),
            "characters": sum(len(text) for _, text in chapters),
        }
    tokenizer = train_tokenizer(train)
    write_tokenizer(tokenizer, args.out)
    for name, texts in (("train", train), ("val", held_out)):
        stream = token_stream(tokenizer, texts)
        np.save(args.out / f"{name}.npy", stream)
        counts[f"{name}_tokens"] = len(stream)
    windows = validation_windows(np.load(args.out / "val.npy"), tokenizer.token_to_id(BOS))
    np.save(Path(__file__).with_name("validation.npy"), windows)
    (args.out / "corpus.json").write_text(json.dumps(counts, indent=2) + "\n")
    print(json.dumps(counts, indent=2))


if __name__ == "__main__":
    main()
