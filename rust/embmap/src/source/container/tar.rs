//! One file out of a tar archive, read as a stream: headers and their extensions are the `tar` crate's.
//!
//! What else is in the archive is known at its end only. So the first file that can be meant is read, and the archive is
//! followed to its end: a second candidate, a damaged header or a missing end mark is an error then, before anything is
//! published.

use std::io::{self, Read};

use super::{damage, members::Members};

const BLOCK_BYTES: usize = 512;
/// Longer names and extensions are no names.
const LONGEST_EXTENSION: u64 = 64 << 10;

/// Whether `head` starts a tar archive: POSIX's and GNU's, which have a mark.
pub(super) fn is_archive(head: &[u8]) -> bool {
    head.first_chunk::<BLOCK_BYTES>().is_some_and(|block| &block[257..262] == b"ustar" && sound(block).is_some())
}

/// A header that matches its checksum: the sum of all bytes, its own eight counted as spaces.
fn sound(block: &[u8; BLOCK_BYTES]) -> Option<&tar::Header> {
    let header = tar::Header::from_byte_slice(block);
    let sum = |bytes: &[u8]| bytes.iter().map(|&byte| u32::from(byte)).sum::<u32>();
    (header.cksum().ok() == Some(sum(&block[..148]) + sum(&[b' '; 8]) + sum(&block[156..]))).then_some(header)
}

/// The bytes of the one member.
pub(super) struct Tar<R> {
    inner: R,
    members: Members,
    /// Bytes of the member that are left.
    left: u64,
    /// Bytes up to the next header.
    padding: u64,
    ended: bool,
}

impl<R: Read> Tar<R> {
    pub(super) fn new(inner: R, members: Members) -> Tar<R> {
        Tar { inner, members, left: 0, padding: 0, ended: false }
    }

    /// Goes to the member, or to the end.
    fn advance(&mut self) -> io::Result<()> {
        let (mut long_name, mut long_size) = (None, None);
        loop {
            let padding = std::mem::take(&mut self.padding);
            self.skip(padding)?;
            let Some(header) = self.header()? else {
                self.ended = true;
                // What is packed around the archive checks itself at its end.
                io::copy(&mut self.inner, &mut io::sink())?;
                return self.members.only().map(|_| ());
            };
            let kind = header.entry_type();
            let size = match long_size.take() {
                Some(size) if !kind.is_pax_local_extensions() => size,
                _ => header.entry_size().map_err(|error| damaged(&error.to_string()))?,
            };
            let padded =
                size.checked_next_multiple_of(BLOCK_BYTES as u64).ok_or_else(|| damaged("a size out of range"))?;
            if kind.is_gnu_longname() || kind.is_pax_local_extensions() {
                let extension = self.extension(size, padded - size)?;
                if kind.is_gnu_longname() {
                    long_name = Some(extension.trim_end_matches('\0').to_owned());
                } else {
                    for pair in tar::PaxExtensions::new(extension.as_bytes()).flatten() {
                        match (pair.key(), pair.value()) {
                            (Ok("path"), Ok(path)) => long_name = Some(path.to_owned()),
                            (Ok("size"), Ok(size)) => long_size = size.parse().ok(),
                            _ => {}
                        }
                    }
                }
                continue;
            }
            let name = long_name.take().unwrap_or_else(|| String::from_utf8_lossy(&header.path_bytes()).into_owned());
            if (kind.is_file() || kind.is_contiguous()) && self.members.meet(&name) {
                (self.left, self.padding) = (size, padded - size);
                return Ok(());
            }
            self.padding = padded;
        }
    }

    /// The next header; `None` at the end mark.
    fn header(&mut self) -> io::Result<Option<tar::Header>> {
        let mut block = [0; BLOCK_BYTES];
        self.inner.read_exact(&mut block).map_err(cut_short)?;
        if block.iter().all(|&byte| byte == 0) {
            return Ok(None);
        }
        let header = sound(&block).ok_or_else(|| damaged("a header does not match its checksum"))?;
        Ok(Some(header.clone()))
    }

    fn extension(&mut self, size: u64, padding: u64) -> io::Result<String> {
        if size > LONGEST_EXTENSION {
            return Err(damaged("a name out of range"));
        }
        let mut bytes = vec![0; size as usize];
        self.inner.read_exact(&mut bytes).map_err(cut_short)?;
        self.skip(padding)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        let skipped = io::copy(&mut self.inner.by_ref().take(bytes), &mut io::sink())?;
        if skipped == bytes { Ok(()) } else { Err(damaged("it is cut short")) }
    }
}

impl<R: Read> Read for Tar<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.left == 0 {
            if self.ended || buffer.is_empty() {
                return Ok(0);
            }
            self.advance()?;
        }
        let wanted = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let read = self.inner.read(&mut buffer[..wanted])?;
        if read == 0 {
            return Err(damaged("it is cut short"));
        }
        self.left -= read as u64;
        Ok(read)
    }
}

fn damaged(how: &str) -> io::Error {
    damage(format!("the tar archive is damaged: {how}; download the file again"))
}

fn cut_short(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::UnexpectedEof { damaged("it is cut short") } else { error }
}
