//! Words of text that is not UTF-8: what its bytes mean, and what stands for those that mean nothing.
//!
//! The names are Python's, and so are the answers: `latin-1` is ISO 8859-1 and `ascii` is ASCII, which the web takes for
//! windows-1252. The tables are `encoding_rs`'s. Of all encodings here but UTF-16 a space, a tab, a newline and the digits are
//! the bytes that they are in ASCII, so that a text is split and its numbers are read before anything is decoded.

use std::borrow::Cow;

use encoding_rs::{DecoderResult, UTF_16BE, UTF_16LE};

/// What happens to a word that is not in the source's encoding, as in Python's `bytes.decode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Utf8Errors {
    /// Its row is a bad row.
    #[default]
    Strict,
    /// U+FFFD takes the place of what cannot be decoded.
    Replace,
    /// What cannot be decoded is left out.
    Ignore,
    /// `\xff` takes the place of the byte 255, so that different words stay different.
    BackslashReplace,
}

impl Utf8Errors {
    /// Every policy and its name.
    pub const ALL: [(&'static str, Utf8Errors); 4] = [
        ("strict", Utf8Errors::Strict),
        ("replace", Utf8Errors::Replace),
        ("ignore", Utf8Errors::Ignore),
        ("backslashreplace", Utf8Errors::BackslashReplace),
    ];
}

/// How a text's characters are written as bytes; UTF-8 unless someone says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Encoding(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Kind {
    #[default]
    Utf8,
    Ascii,
    /// Each byte is the character of that number.
    Latin1,
    /// In the order of bytes that a mark says, little-endian without one.
    Utf16,
    Other(&'static encoding_rs::Encoding),
}

/// A word in UTF-8.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Decoded<'w> {
    pub text: Cow<'w, [u8]>,
    /// Whether something stands for bytes that mean nothing.
    pub mended: bool,
}

impl Encoding {
    /// The encoding that Python calls `name`; `None` where there is none, or none that is read.
    #[must_use]
    pub fn named(name: &str) -> Option<Encoding> {
        let label = name.trim().to_ascii_lowercase().replace('_', "-");
        Some(Encoding(match label.as_str() {
            "utf-8" | "utf8" | "utf-8-sig" | "cp65001" => Kind::Utf8,
            "ascii" | "us-ascii" => Kind::Ascii,
            "latin-1" | "latin1" | "iso-8859-1" | "iso8859-1" | "8859" | "cp819" | "l1" => Kind::Latin1,
            "utf-16" | "utf16" => Kind::Utf16,
            "utf-16-le" => Kind::Other(UTF_16LE),
            "utf-16-be" => Kind::Other(UTF_16BE),
            other => {
                let label = match other {
                    "cp932" => "shift_jis",
                    "cp936" => "gbk",
                    "cp949" => "euc-kr",
                    "cp950" => "big5",
                    "cp874" => "windows-874",
                    "mac-roman" => "macintosh",
                    other => other,
                };
                let found = encoding_rs::Encoding::for_label(label.as_bytes())?;
                if !found.is_ascii_compatible() && found != UTF_16LE && found != UTF_16BE {
                    return None;
                }
                Kind::Other(found)
            }
        }))
    }

    /// What messages call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self.0 {
            Kind::Utf8 => "UTF-8",
            Kind::Ascii => "ASCII",
            Kind::Latin1 => "Latin-1",
            Kind::Utf16 => "UTF-16",
            Kind::Other(encoding) => encoding.name(),
        }
    }

    /// Whether it is the one that stores hold.
    #[must_use]
    pub fn is_utf8(self) -> bool {
        self.0 == Kind::Utf8
    }

    /// The form of UTF-16 that a text which begins with `head` has, where it has one: said, or told by its mark.
    pub(crate) fn utf16_of(self, head: &[u8]) -> Option<&'static encoding_rs::Encoding> {
        let marked = match head {
            // The mark of UTF-32 begins with that of UTF-16.
            [0xff, 0xfe, 0, 0, ..] => None,
            [0xff, 0xfe, ..] => Some(UTF_16LE),
            [0xfe, 0xff, ..] => Some(UTF_16BE),
            _ => None,
        };
        match self.0 {
            Kind::Utf8 => marked,
            Kind::Utf16 => Some(marked.unwrap_or(UTF_16LE)),
            Kind::Other(encoding) if encoding == UTF_16LE || encoding == UTF_16BE => Some(encoding),
            _ => None,
        }
    }

    /// `word` in UTF-8. Strictly, the first byte that means nothing is the error.
    pub(crate) fn decode(self, word: &[u8], errors: Utf8Errors) -> Result<Decoded<'_>, usize> {
        match self.0 {
            // What was UTF-16 has become UTF-8 on its way.
            Kind::Utf8 | Kind::Utf16 => utf8(word, errors),
            Kind::Other(encoding) if encoding == UTF_16LE || encoding == UTF_16BE => utf8(word, errors),
            Kind::Ascii => match word.iter().position(|byte| !byte.is_ascii()) {
                None => Ok(Decoded { text: Cow::Borrowed(word), mended: false }),
                Some(at) if errors == Utf8Errors::Strict => Err(at),
                Some(_) => {
                    let mut text = Vec::with_capacity(word.len());
                    for &byte in word {
                        if byte.is_ascii() { text.push(byte) } else { mend(&mut text, &[byte], errors) }
                    }
                    Ok(Decoded { text: Cow::Owned(text), mended: true })
                }
            },
            Kind::Latin1 => {
                let text = word.iter().map(|&byte| char::from(byte)).collect::<String>();
                Ok(Decoded { text: Cow::Owned(text.into_bytes()), mended: false })
            }
            Kind::Other(encoding) => table(encoding, word, errors),
        }
    }
}

fn utf8(word: &[u8], errors: Utf8Errors) -> Result<Decoded<'_>, usize> {
    let Err(error) = std::str::from_utf8(word) else {
        return Ok(Decoded { text: Cow::Borrowed(word), mended: false });
    };
    if errors == Utf8Errors::Strict {
        return Err(error.valid_up_to());
    }
    let mut text = Vec::with_capacity(word.len());
    for chunk in word.utf8_chunks() {
        text.extend_from_slice(chunk.valid().as_bytes());
        if !chunk.invalid().is_empty() {
            mend(&mut text, chunk.invalid(), errors);
        }
    }
    Ok(Decoded { text: Cow::Owned(text), mended: true })
}

fn table<'w>(
    encoding: &'static encoding_rs::Encoding,
    word: &'w [u8],
    errors: Utf8Errors,
) -> Result<Decoded<'w>, usize> {
    if word.is_ascii() && encoding_rs::Encoding::ascii_valid_up_to(word) == word.len() {
        return Ok(Decoded { text: Cow::Borrowed(word), mended: false });
    }
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let (mut text, mut at, mut mended) = (Vec::with_capacity(3 * word.len() + 16), 0, false);
    let mut room = [0; 256];
    loop {
        let (result, read, written) = decoder.decode_to_utf8_without_replacement(&word[at..], &mut room, true);
        at += read;
        text.extend_from_slice(&room[..written]);
        match result {
            DecoderResult::InputEmpty => return Ok(Decoded { text: Cow::Owned(text), mended }),
            DecoderResult::OutputFull => {}
            DecoderResult::Malformed(length, behind) => {
                let end = at - usize::from(behind);
                let start = end - usize::from(length);
                if errors == Utf8Errors::Strict {
                    return Err(start);
                }
                mended = true;
                mend(&mut text, &word[start..end], errors);
            }
        }
    }
}

/// Appends what stands for bytes that mean nothing, as in Python's `bytes.decode`.
fn mend(text: &mut Vec<u8>, bytes: &[u8], errors: Utf8Errors) {
    match errors {
        Utf8Errors::Strict | Utf8Errors::Ignore => {}
        Utf8Errors::Replace => text.extend_from_slice("\u{fffd}".as_bytes()),
        Utf8Errors::BackslashReplace => {
            for byte in bytes {
                text.extend_from_slice(format!("\\x{byte:02x}").as_bytes());
            }
        }
    }
}

/// The encoding that `text` is probably in, which is not UTF-8, by the name that Python has for it.
pub(crate) fn guess(text: &[u8]) -> String {
    let mut detector = chardetng::EncodingDetector::new(chardetng::Iso2022JpDetection::Deny);
    detector.feed(text, true);
    let found = detector.guess(None, chardetng::Utf8Detection::Deny).name().to_ascii_lowercase();
    found.replace("windows-", "cp")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(name: &str, word: &[u8], errors: Utf8Errors) -> Result<(String, bool), usize> {
        let decoded = Encoding::named(name).expect(name).decode(word, errors)?;
        Ok((String::from_utf8(decoded.text.into_owned()).expect("UTF-8"), decoded.mended))
    }

    #[test]
    fn names_are_pythons() {
        for name in
            ["latin-1", "ISO-8859-1", "utf8", "cp1252", "gbk", "GB18030", "shift_jis", "cp932", "euc_kr", "koi8_r"]
        {
            assert!(Encoding::named(name).is_some(), "{name}");
        }
        for name in ["", "cp437", "utf-32", "iso2022_jp", "klingon", "replacement"] {
            assert_eq!(Encoding::named(name), None, "{name}");
        }
    }

    #[test]
    fn bytes_become_the_characters_they_stand_for() {
        for (name, bytes, word) in [
            ("latin-1", &b"stra\xdfe\x80"[..], "straße\u{80}"),
            ("cp1252", b"\x80", "€"),
            ("gbk", b"\xd2\xf8\xd0\xd0", "银行"),
            ("shift_jis", b"\x8b\xe2\x8ds", "銀行"),
            ("koi8-r", b"\xd2\xc5\xcb\xc1", "река"),
            ("ascii", b"river", "river"),
        ] {
            assert_eq!(decode(name, bytes, Utf8Errors::Strict), Ok((word.into(), false)), "{name}");
        }
    }

    #[test]
    fn what_means_nothing_is_an_error_or_mended_as_python_mends_it() {
        for (name, bytes, at, replaced, ignored, escaped) in [
            ("utf-8", &b"a\xff\xfeb"[..], 1, "a\u{fffd}\u{fffd}b", "ab", "a\\xff\\xfeb"),
            ("ascii", b"a\xffb", 1, "a\u{fffd}b", "ab", "a\\xffb"),
            ("gbk", b"a\xff", 1, "a\u{fffd}", "a", "a\\xff"),
        ] {
            assert_eq!(decode(name, bytes, Utf8Errors::Strict), Err(at), "{name}");
            assert_eq!(decode(name, bytes, Utf8Errors::Replace), Ok((replaced.into(), true)), "{name}");
            assert_eq!(decode(name, bytes, Utf8Errors::Ignore), Ok((ignored.into(), true)), "{name}");
            assert_eq!(decode(name, bytes, Utf8Errors::BackslashReplace), Ok((escaped.into(), true)), "{name}");
        }
    }
}
