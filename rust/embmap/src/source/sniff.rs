//! Files that would be misread as vectors, told by their first bytes, and what to do with each. None of them is ever
//! unpickled or run.
//!
//! fastText's models (793712314 as a little-endian `i32`) are not among them: they are a source, or none that is known.

use memchr::memmem;

use crate::source::head::HEAD_BYTES;
use Mark::{Like, Start, Tag};

/// How a kind of file is told.
enum Mark {
    /// These bytes come first.
    Start(&'static [u8]),
    /// This comes first in what is not blank, in capitals or not.
    Tag(&'static [u8]),
    /// The first bytes look like it.
    Like(fn(&[u8]) -> bool),
}

const PICKLE: &str = "this is a Python pickle, which is read from a plain file alone, and never run: unpack it first, or say \
                      format=\"pickle\"";

const UTF_32: &str =
    "this is UTF-32 text, which embmap does not read: save it as UTF-8 first (iconv -f utf-32 -t utf-8)";

/// What is certain: no word that text starts with looks like this.
const FOREIGN: &[(Mark, &str)] = &[
    (Start(&crate::format::MAGIC), "this is an embmap store already: embmap.open() opens it"),
    (Start(b"7z\xbc\xaf\x27\x1c"), "this is a 7z archive, of a kind that embmap does not read: unpack it first"),
    (Start(b"Rar!\x1a"), "this is a RAR archive, of a kind that embmap does not read: unpack it first"),
    (Start(b"\x1f\x9d"), "this is packed by compress, which embmap does not read: unpack it first (uncompress)"),
    (Start(b"\xff\xfe\0\0"), UTF_32),
    (Start(b"\0\0\xfe\xff"), UTF_32),
    (Start(b"version https://git-lfs"), "this is a Git LFS pointer, not the file it stands for: run `git lfs pull`"),
    (Tag(b"<!doctype html"), "this is a web page, saved in place of the file: download it again"),
    (Tag(b"<html"), "this is a web page, saved in place of the file: download it again"),
    (Tag(b"<?xml version"), "this is XML, as a server answers where it has no file for you: download it again"),
    (
        Start(b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."),
        "this is a PyTorch file, a pickle, which embmap does not load: torch.load it where you trust it, and give its \
         matrix and words to embmap.write()",
    ),
    (
        Like(is_gensim_pickle),
        "this is a gensim model, a pickle, which is read from a plain file alone, and never run: unpack it first, its .npy files \
         beside it; or load it with gensim, and give it to embmap.from_gensim() or save it with save_word2vec_format()",
    ),
    (Like(is_pickle), PICKLE),
    (
        Like(is_npy_of_objects),
        "this is a NumPy array of Python objects, a pickle, which embmap does not load, because loading it can run \
         anything: load it where you trust it, and give its matrix and words to embmap.write()",
    ),
    (
        Start(b"\x93NUMPY"),
        "this is a NumPy array, numbers without their words: words= names the file that has them; beside a gensim model it \
         belongs to that model",
    ),
    (
        Start(b"\x89HDF\r\n\x1a\n"),
        "this is an HDF5 file, of Keras perhaps: convert() reads one that is a file, with h5py; of a Keras model, read its \
         matrix with Keras, and give it to embmap.write() with the words",
    ),
    (Start(b"PAR1\x15"), "this is a Parquet file: convert() reads one that is a file and not in another, with pyarrow"),
    (
        Start(b"ARROW1\0\0"),
        "this is an Arrow IPC (Feather) file: convert() reads one that is a file and not in another, with pyarrow",
    ),
    (
        Like(is_safetensors),
        "this is a safetensors file, matrices without words: give the model's folder, which has its vocabulary, or the \
         matrix and the words to embmap.write()",
    ),
    (
        Like(is_gguf),
        "this is a GGUF model, made for llama.cpp, whose numbers are quantized: take the model's original files",
    ),
    (
        Start(b"SQLite format 3\0"),
        "this is an SQLite database, a .magnitude file perhaps, which convert() reads where it is a plain file: unpack it, \
         and leave format= out",
    ),
    (
        Start(b"FiFu\0\0\0\0"),
        "this is a finalfusion file, which convert() reads where it is a plain file: unpack it, and leave format= out",
    ),
];

/// What may look like text, and is asked about where no vectors are found.
const UNLIKE_TEXT: &[(Mark, &str)] = &[
    (
        Like(is_json),
        "this is JSON; format=\"json\" reads rows of numbers of it, from a plain file, which is named .jsonl where each line \
         has an object; tokenizer.json and the like are read with their model's folder",
    ),
    (Like(is_old_pickle), PICKLE),
    (
        Like(is_float64),
        "this is float64 numbers without words, as GloVe writes them with -binary 1: convert the .txt that the same run \
         writes with -binary 0 or 2",
    ),
    (Like(|head| is_utf16(head, 1)), "this looks like UTF-16 text without its mark: encoding=\"utf-16-le\" reads it"),
    (Like(|head| is_utf16(head, 0)), "this looks like UTF-16 text without its mark: encoding=\"utf-16-be\" reads it"),
    (
        // A word of text vectors may hold a NUL, but prose does not.
        Like(|head| memchr::memchr(0, head).is_some()),
        "this is a binary file of a kind that embmap does not read: not text vectors (GloVe, word2vec, fastText), and not \
         word2vec's binary form either (format=\"word2vec-binary\" tells where it departs from that)",
    ),
];

/// What a file is that begins with `head`, where it cannot be read, and what to do about it.
pub(crate) fn foreign(head: &[u8]) -> Option<&'static str> {
    first(FOREIGN, head)
}

/// The same for what has turned out not to be text vectors.
pub(crate) fn unlike_text(head: &[u8]) -> Option<&'static str> {
    first(UNLIKE_TEXT, head)
}

fn first(kinds: &[(Mark, &'static str)], head: &[u8]) -> Option<&'static str> {
    let text = head.trim_ascii_start();
    let fits = |mark: &Mark| match mark {
        Start(magic) => head.starts_with(magic),
        Tag(name) => text.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name)),
        Like(looks_like) => looks_like(head),
    };
    kinds.iter().find(|(mark, _)| fits(mark)).map(|(_, what)| *what)
}

/// A pickle of protocol 2 or later.
fn is_pickle(head: &[u8]) -> bool {
    matches!(head, [0x80, 2..=5, ..])
}

fn is_gensim_pickle(head: &[u8]) -> bool {
    is_pickle(head) && memmem::find(beginning(head), b"gensim").is_some()
}

/// A pickle of protocol 0 or 1: an empty dict or list that is filled, or a class that is called.
fn is_old_pickle(head: &[u8]) -> bool {
    let numbered = |rest: &[u8]| matches!(rest, [b'p', b'0'..=b'9', b'\n', ..]);
    match head {
        [b'(', b'd' | b'l', rest @ ..] => numbered(rest),
        [b'}' | b']', b'q', 0, ..] => true,
        [b'c', rest @ ..] => {
            let mut lines = beginning(rest).splitn(3, |&byte| byte == b'\n');
            let is_name = |name: &[u8]| {
                !name.is_empty() && name.iter().all(|&byte| byte.is_ascii_alphanumeric() || b"._".contains(&byte))
            };
            lines.next().is_some_and(is_name)
                && lines.next().is_some_and(is_name)
                && matches!(lines.next(), Some([b'p' | b'q' | b'(' | b')', ..]))
        }
        _ => false,
    }
}

/// An array of objects, or of records that hold some.
fn is_npy_of_objects(head: &[u8]) -> bool {
    let header = match head {
        [0x93, b'N', b'U', b'M', b'P', b'Y', 1, _, a, b, header @ ..] => {
            header.get(..usize::from(u16::from_le_bytes([*a, *b])))
        }
        [0x93, b'N', b'U', b'M', b'P', b'Y', _, _, _, _, _, _, header @ ..] => Some(beginning(header)),
        _ => None,
    };
    header.is_some_and(|header| memmem::find(header, b"'|O").is_some())
}

/// The length of a JSON object, less than the format's 100 MB, and that object.
fn is_safetensors(head: &[u8]) -> bool {
    matches!(head, [_, _, _, 0..=5, 0, 0, 0, 0, b'{', b'"' | b'}', ..])
}

fn is_gguf(head: &[u8]) -> bool {
    matches!(head, [b'G', b'G', b'U', b'F', _, 0, 0, 0, ..])
}

/// An array or object, or the beginning of one.
fn is_json(head: &[u8]) -> bool {
    let text = &head[..head.len().min(HEAD_BYTES)];
    matches!(text.trim_ascii_start().first(), Some(b'{' | b'['))
        && match serde_json::Deserializer::from_slice(text).into_iter::<serde_json::Value>().next() {
            Some(Ok(_)) => true,
            Some(Err(error)) => error.is_eof(),
            None => false,
        }
}

/// Numbers of a size that vectors have, and nothing else. Two float32 can be such a number too, but then the first of them
/// is one as well, while half a float64 is as good as random.
fn is_float64(head: &[u8]) -> bool {
    let numbers = beginning(head).as_chunks::<8>().0;
    let is_sound = |x: f64| x == 0.0 || (1e-12..1e6).contains(&x);
    let halves = numbers.iter().filter(|[a, b, c, d, ..]| is_sound(f32::from_le_bytes([*a, *b, *c, *d]).abs().into()));
    numbers.len() >= 4
        && numbers.iter().all(|bytes| is_sound(f64::from_le_bytes(*bytes).abs()))
        && halves.count() * 2 < numbers.len()
}

/// Whether one half of most characters, the first or the second byte of each, is zero, as it is where they are ASCII.
fn is_utf16(head: &[u8], zero: usize) -> bool {
    let (units, _) = beginning(head).as_chunks::<2>();
    let like = units.iter().filter(|unit| unit[zero] == 0 && unit[1 - zero] != 0).count();
    units.len() > 4 && like * 10 >= units.len() * 8
}

/// As much as tells what a file is.
fn beginning(head: &[u8]) -> &[u8] {
    &head[..head.len().min(4 << 10)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_that_begin_like_a_format_are_words() {
        for text in [
            "PAR1 0.1 0.2\n",
            "FiFu 0.1 0.2\n",
            "GGUF 0.1 0.2\n",
            "ARROW1 0.1 0.2\n",
            "Rar! 0.1 0.2\n",
            "{ 0.1 0.2\n",
            "[ 0.1 0.2\n",
            "[\" 0.1 0.2\n",
            "c 0.1 0.2\nd 0.1 0.2\n",
            "(dp0 0.1 0.2\n",
            "\0 0.1 0.2\n",
        ] {
            assert_eq!(foreign(text.as_bytes()), None, "{text:?}");
            // Not even where it is no vectors that they are words of.
            let unlike = first(&UNLIKE_TEXT[..UNLIKE_TEXT.len() - 1], text.as_bytes());
            assert_eq!(unlike, None, "{text:?}");
        }
        assert_eq!(foreign(b"\x80\x99 0.1 0.2\n"), None);
    }

    proptest! {
        #[test]
        fn prose_and_other_numbers_are_not_float64(
            text in "[ -~\n]{32,200}", floats in prop::collection::vec(-2.0f32..2.0, 8..60)
        ) {
            prop_assert!(!is_float64(text.as_bytes()));
            prop_assert!(!is_float64(bytemuck::cast_slice(&floats)));
        }
    }
}
