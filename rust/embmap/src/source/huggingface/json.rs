//! JSON files of a model's folder, read whole, with the place of what is wrong in them.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::{
    error::{Error, ParseError, Result, Unit},
    sys::regular::read_short,
};

/// Longer files are no vocabularies: the largest of today have some 50 MB.
const LONGEST_BYTES: u64 = 1 << 30;

/// A JSON file in memory.
pub(super) struct Json {
    pub path: PathBuf,
    text: String,
}

impl Json {
    /// Reads `path`.
    pub(super) fn read(path: &Path) -> Result<Json> {
        let bytes = read(path)?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            refuse(path, error.as_bytes(), at, format!("this is no JSON: it is not UTF-8 at byte {at}"))
        })?;
        Ok(Json { path: path.to_path_buf(), text })
    }

    /// The whole file as a `T`.
    pub(super) fn parse<'j, T: Deserialize<'j>>(&'j self) -> Result<T> {
        self.parse_part(&self.text)
    }

    /// A part of the text, as `RawValue` gives it, as a `T`.
    pub(super) fn parse_part<'j, T: Deserialize<'j>>(&'j self, part: &'j str) -> Result<T> {
        serde_json::from_str(part).map_err(|error| {
            let line = part.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum::<usize>();
            let within = (line + error.column().saturating_sub(1)).min(part.len());
            let what = error.to_string();
            // serde_json's own place counts from the start of the part.
            let what = what.rsplit_once(" at line ").map_or(what.as_str(), |(what, _)| what);
            let reason = format!("malformed JSON, or not what this file should hold: {what}; download the file again");
            self.refuse(part, within, reason)
        })
    }

    /// What is wrong `within` bytes into `part` of the text.
    pub(super) fn refuse(&self, part: &str, within: usize, reason: String) -> Error {
        let start = part.as_ptr().addr().saturating_sub(self.text.as_ptr().addr());
        refuse(&self.path, self.text.as_bytes(), start + within, reason)
    }
}

/// All bytes of a file that should be short.
pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    read_short(path, LONGEST_BYTES).map_err(Error::io(path))?.ok_or_else(|| {
        let reason = format!("the file is longer than {} MiB: this is no vocabulary", LONGEST_BYTES >> 20);
        refuse(path, &[], 0, reason)
    })
}

/// What is wrong at byte `at` of a file that holds `bytes`.
pub(super) fn refuse(path: &Path, bytes: &[u8], at: usize, reason: String) -> Error {
    let before = &bytes[..at.min(bytes.len())];
    let start = memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1);
    let line = memchr::memchr_iter(b'\n', before).count() as u64 + 1;
    ParseError::at(path, Unit::Line, line, start as u64, reason).into()
}
