//! The checks that opening leaves out because they read the whole file.

use crate::{
    error::{FormatError, corrupt},
    format::{HEADER_LEN, Kind, index::SLOT_LEN, row_stats::inverse_norm},
    store::Store,
};

/// Bytes checked between two looks at whether to go on.
const STEP_BYTES: usize = 8 << 20;

impl<D: AsRef<[u8]>> Store<D> {
    /// Proves the file whole: every section against its checksum, zeros between them, every word found at its own row by the
    /// index, every inverse norm the one of its row. `go_on` is asked every few megabytes; `Ok(false)` means that it said no.
    pub fn verify(&self, mut go_on: impl FnMut() -> bool) -> Result<bool, FormatError> {
        for kind in Kind::ALL {
            let mut crc = crc32fast::Hasher::new();
            for step in self.section(kind).chunks(STEP_BYTES) {
                crc.update(step);
                if !go_on() {
                    return Ok(false);
                }
            }
            if crc.finalize() != self.header().section(kind).crc {
                return Err(corrupt(format!("section {kind:?} does not match its checksum")));
            }
        }
        self.verify_rest()?;
        let (words, index) = (self.words(), self.index());
        for i in 0..self.len() {
            let word = words.get_str(i)?;
            if word.is_empty() {
                return Err(corrupt(format!("word {i} is empty")));
            }
            if index.find(word.as_bytes())? != Some(i as u32) {
                return Err(corrupt(format!("the index does not lead word {i} to its row")));
            }
            if i % (STEP_BYTES / SLOT_LEN) == 0 && !go_on() {
                return Ok(false);
            }
        }
        if words.offset(0) != 0 || words.offset(self.len()) as usize != self.section(Kind::Words).len() {
            return Err(corrupt("the words do not begin or end where the offsets say"));
        }
        let norms = self.inverse_norms();
        let rows = self.rows();
        let screen = self.screen();
        let mut row = Vec::new();
        if !self.is_empty() {
            // A header may announce rows that no machine has memory for.
            row.try_reserve_exact(self.dim()).map_err(|_| corrupt(format!("rows of {} numbers", self.dim())))?;
            row.resize(self.dim(), 0.0);
        }
        for (i, &norm) in norms.iter().enumerate() {
            rows.decode(i, &mut row);
            if !row.iter().all(|x| x.is_finite()) {
                return Err(corrupt(format!("row {i} has a number that is not finite")));
            }
            if inverse_norm(&row).to_bits() != norm.to_bits() {
                return Err(corrupt(format!("the inverse norm of row {i} is not that of its numbers")));
            }
            if screen.as_ref().is_some_and(|screen| !screen.is_of(i, &row)) {
                return Err(corrupt(format!("the codes of row {i} are not those of its numbers")));
            }
            if i % (STEP_BYTES / (self.dim() * 4) + 1) == 0 && !go_on() {
                return Ok(false);
            }
        }
        match self.subwords()? {
            Some(subwords) => subwords.verify(&mut go_on),
            None => Ok(true),
        }
    }

    /// What no checksum covers, and what one covers that must mean something.
    fn verify_rest(&self) -> Result<(), FormatError> {
        let data = self.data().as_ref();
        let Some(page) = data.first_chunk::<{ HEADER_LEN as usize }>() else {
            return Err(corrupt("the file is shorter than its header"));
        };
        for gap in self.header().gaps(page)? {
            if data[gap.start as usize..gap.end as usize].iter().any(|&byte| byte != 0) {
                return Err(corrupt(format!("the bytes between sections from {} on are not zeros", gap.start)));
            }
        }
        if !self.numbers::<f64>(Kind::Statistics).iter().all(|number| number.is_finite()) {
            return Err(corrupt("the statistics have a number that is not finite"));
        }
        let metadata = self.section(Kind::Metadata);
        if !metadata.is_empty()
            && serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(metadata).is_err()
        {
            return Err(corrupt("the metadata are no JSON object"));
        }
        Ok(())
    }
}
