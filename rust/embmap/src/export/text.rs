//! Text: GloVe's, word2vec's and fastText's, whose numbers read back as the same bits.

use std::{ops::Range, sync::atomic::Ordering};

use super::{
    Chosen,
    blocks::{Progress, RowFormat, Scratch},
    reserve,
    shortest::{self, ROOM},
};
use crate::{error::Result, sys::simd::Kernel};

/// Rows `word number … number`, separated by spaces.
pub(super) struct Text<'a> {
    pub chosen: Chosen<'a>,
    /// Whether a line "rows dim" comes first.
    pub header: bool,
    /// Whether a space follows the last number too.
    pub space_at_the_end: bool,
    pub kernel: Kernel,
}

impl RowFormat for Text<'_> {
    fn head(&self) -> Result<Vec<u8>> {
        Ok(match self.header {
            true => format!("{} {}\n", self.chosen.len(), self.chosen.dim()).into_bytes(),
            false => Vec::new(),
        })
    }

    fn row_len(&self) -> usize {
        self.chosen.dim().saturating_mul(12)
    }

    fn encode<'b>(&'b self, places: Range<usize>, scratch: &'b mut Scratch, progress: &Progress) -> Result<&'b [u8]> {
        let Scratch { bytes, values } = scratch;
        let mut spaces = 0;
        for place in places {
            let start = bytes.len();
            self.chosen.word(place, bytes)?;
            spaces += u64::from(self.check(place, &bytes[start..])?);
            self.chosen.values(place, values)?;
            append(self.kernel, values, bytes)?;
            if self.space_at_the_end {
                bytes.push(b' ');
            }
            bytes.push(b'\n');
        }
        progress.words_with_blanks.fetch_add(spaces, Ordering::Relaxed);
        Ok(bytes)
    }
}

impl Text<'_> {
    /// Whether the word has a space inside; an error where no reader could tell where it ends, or begins.
    fn check(&self, place: usize, word: &[u8]) -> Result<bool> {
        if memchr::memchr(b'\n', word).is_some() {
            return Err(self.chosen.refused(place, word, "has a newline inside, where a row of text ends"));
        }
        if place == 0 && !self.header && word.starts_with("\u{feff}".as_bytes()) {
            return Err(self.chosen.refused(place, word, "would begin the text with a byte-order mark"));
        }
        Ok(memchr::memchr(b' ', word).is_some())
    }
}

/// Appends a space and the text of each number.
fn append(kernel: Kernel, values: &[f32], text: &mut Vec<u8>) -> Result<()> {
    let start = text.len();
    let room = values.len().saturating_mul(ROOM);
    reserve(text, room)?;
    text.resize(start + room, 0);
    // A row of one whole number could be taken for a header.
    let written = shortest::write(kernel, values, values.len() == 1, &mut text[start..]);
    text.truncate(start + written);
    Ok(())
}
