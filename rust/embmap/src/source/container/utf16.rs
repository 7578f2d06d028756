//! Text in UTF-16 as the UTF-8 that everything behind this reads.

use std::io::{self, Read};

use encoding_rs::{Decoder, DecoderResult, Encoding};

use super::damage;

/// Read from the text at a time.
const BUFFER_BYTES: usize = 64 << 10;

/// A text that is UTF-8 on its way out, without its mark.
pub(super) struct Utf16<R> {
    inner: R,
    decoder: Decoder,
    name: &'static str,
    /// Read, and decoded up to `at`.
    read: Vec<u8>,
    at: usize,
    /// Whether all has been read, and whether all has been decoded.
    ended: bool,
    finished: bool,
    /// Decoded, and given out up to `given`.
    decoded: Vec<u8>,
    given: usize,
}

impl<R: Read> Utf16<R> {
    pub(super) fn new(inner: R, encoding: &'static Encoding) -> Utf16<R> {
        let (decoder, name) = (encoding.new_decoder_with_bom_removal(), encoding.name());
        Utf16 {
            inner,
            decoder,
            name,
            read: Vec::new(),
            at: 0,
            ended: false,
            finished: false,
            decoded: Vec::new(),
            given: 0,
        }
    }

    /// Decodes the next piece; nothing is decoded at the end.
    fn advance(&mut self) -> io::Result<()> {
        self.given = 0;
        self.decoded.clear();
        while self.decoded.is_empty() {
            if self.at == self.read.len() && !self.ended {
                let mut next = vec![0; BUFFER_BYTES];
                let count = self.inner.read(&mut next)?;
                next.truncate(count);
                (self.read, self.at, self.ended) = (next, 0, count == 0);
            }
            self.decoded.resize(3 * BUFFER_BYTES, 0);
            let (result, read, written) =
                self.decoder.decode_to_utf8_without_replacement(&self.read[self.at..], &mut self.decoded, self.ended);
            self.decoded.truncate(written);
            self.at += read;
            match result {
                DecoderResult::Malformed(..) => {
                    let name = self.name;
                    return Err(damage(format!("the text is not {name} throughout: a half of a character is alone")));
                }
                DecoderResult::InputEmpty if self.ended => {
                    self.finished = true;
                    return Ok(());
                }
                DecoderResult::InputEmpty | DecoderResult::OutputFull => {}
            }
        }
        Ok(())
    }
}

impl<R: Read> Read for Utf16<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.given == self.decoded.len() && !self.finished {
            self.advance()?;
        }
        let rest = &self.decoded[self.given..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.given += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::ShortReads;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_text_comes_out_as_it_was(text in "\\PC{0,40}", little in any::<bool>(), mark in any::<bool>(), drip in 1usize..9) {
            let units = mark.then_some(0xfeff).into_iter().chain(text.encode_utf16());
            let bytes: Vec<u8> = units.flat_map(|unit| if little { unit.to_le_bytes() } else { unit.to_be_bytes() }).collect();
            let encoding = if little { encoding_rs::UTF_16LE } else { encoding_rs::UTF_16BE };
            let mut found = String::new();
            Utf16::new(ShortReads(&bytes, drip), encoding).read_to_string(&mut found).expect("UTF-16");
            prop_assert_eq!(found, text);
        }
    }

    #[test]
    fn half_a_character_is_an_error() {
        for bytes in [&b"a\0b"[..], b"a\0\0\xd8b\0"] {
            assert!(Utf16::new(bytes, encoding_rs::UTF_16LE).read_to_string(&mut String::new()).is_err());
        }
    }
}
