//! How much may come out of how little: a bomb is stopped before it fills the disk.

use std::{
    io::{self, Read},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use super::damage;

/// Unpacked whatever it was packed in: small files of zeros are no bombs.
const FREE_BYTES: u64 = 64 << 20;

/// Why what comes out of so little may not be written, if it may not.
pub(crate) fn refusal(unpacked: u64, packed: u64, most: f64) -> Option<String> {
    (unpacked > FREE_BYTES && unpacked as f64 > most * packed as f64).then(|| {
        format!(
            "{unpacked} bytes came out of {packed}, more than {most} times as many: this may be a bomb; a larger max_expansion= \
             reads on"
        )
    })
}

/// Counts what is read, and reads no more once it is told to stop.
pub(super) struct Counted<R> {
    pub inner: R,
    pub count: Arc<AtomicU64>,
    pub stop: Arc<AtomicBool>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(damage("the conversion was stopped"));
        }
        let read = self.inner.read(buffer)?;
        self.count.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// Ends in an error when more than `most` times what was `packed` has been unpacked.
pub(super) struct Limited<R> {
    inner: R,
    packed: Arc<AtomicU64>,
    unpacked: u64,
    most: f64,
}

impl<R> Limited<R> {
    /// Over what is unpacked by `inner`, while `packed` counts what is read.
    pub(super) fn new(inner: R, packed: &Arc<AtomicU64>, most: f64) -> Limited<R> {
        Limited { inner, packed: packed.clone(), unpacked: 0, most }
    }
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.unpacked += read as u64;
        let packed = self.packed.load(Ordering::Relaxed);
        match refusal(self.unpacked, packed, self.most) {
            Some(reason) => Err(damage(reason)),
            None => Ok(read),
        }
    }
}
