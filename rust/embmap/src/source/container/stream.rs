//! The unpacked bytes, in order, and how far the packed ones have been read.

use std::{
    fs::File,
    io::{self, Read, Seek},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use encoding_rs::Encoding;

use super::{
    Sequential, Unpacking, damage,
    layers::{Bytes, unpack},
    limit::{Counted, Limited},
    utf16::Utf16,
    zip,
};

/// A stream of text.
pub(crate) struct Stream {
    bytes: Bytes,
    packed: Arc<AtomicU64>,
    length: Option<u64>,
}

impl Stream {
    /// What comes through a pipe, whose length nobody knows.
    pub(super) fn of_pipe(pipe: File, how: &Unpacking) -> io::Result<Stream> {
        Stream::of(Pipe { pipe, stop: how.stop.clone() }, None, how)
    }

    /// What is packed in a file.
    pub(super) fn of_file(mut file: File, length: u64, how: &Unpacking) -> io::Result<Stream> {
        // Where reading at a position moves the cursor, as on Windows, it is not at the start any more.
        file.rewind()?;
        Stream::of(file, Some(length), how)
    }

    fn of(inner: impl Read + Send + 'static, length: Option<u64>, how: &Unpacking) -> io::Result<Stream> {
        let packed = Arc::default();
        let counted = Counted { inner, count: Arc::clone(&packed), stop: how.stop.clone() };
        Ok(Stream { bytes: unpack(Box::new(counted), &packed, how)?, packed, length })
    }

    /// One member of a zip archive.
    pub(super) fn of_zip(file: File, how: &Unpacking) -> io::Result<Stream> {
        let packed = Arc::default();
        let (member, length) = zip::member(file, &packed, how)?;
        let member = Box::new(Limited::new(member, &packed, how.max_expansion));
        let inside = Unpacking { member: None, ..how.clone() };
        Ok(Stream { bytes: unpack(member, &packed, &inside)?, packed, length: Some(length) })
    }

    /// A file of UTF-16 as UTF-8.
    pub(super) fn of_utf16_file(file: File, length: u64, encoding: &'static Encoding, how: &Unpacking) -> Stream {
        let packed = Arc::default();
        let inner = Sequential::File { file, at: 0, end: length };
        let counted = Counted { inner, count: Arc::clone(&packed), stop: how.stop.clone() };
        Stream { bytes: Box::new(Utf16::new(counted, encoding)), packed, length: Some(length) }
    }

    /// This stream of UTF-16, of which `head` has been read, as UTF-8.
    pub(super) fn decoding_utf16(self, head: Vec<u8>, encoding: &'static Encoding) -> Stream {
        let whole = io::Cursor::new(head).chain(self.bytes);
        Stream { bytes: Box::new(Utf16::new(whole, encoding)), ..self }
    }

    /// Packed bytes that have been read, and how many there are, where that is known.
    pub(crate) fn progress(&self) -> Progress {
        Progress { read: self.packed.clone(), length: self.length }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.bytes.read(buffer)
    }
}

/// How far a stream has come, for another thread to see.
#[derive(Debug, Clone)]
pub(crate) struct Progress {
    read: Arc<AtomicU64>,
    length: Option<u64>,
}

impl Progress {
    /// Bytes read, and bytes in all; 0 in all where nobody knows.
    pub(crate) fn get(&self) -> (u64, u64) {
        (self.read.load(Ordering::Relaxed), self.length.unwrap_or(0))
    }
}

/// A pipe, a terminal, a socket: reading can wait for ever, and must end when the caller stops.
struct Pipe {
    pipe: File,
    stop: Arc<AtomicBool>,
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            while !is_ready(&self.pipe)? {
                if self.stop.load(Ordering::Relaxed) {
                    return Err(damage("the conversion was stopped"));
                }
            }
            match self.pipe.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read,
            }
        }
    }
}

/// Whether there is something to read, or an end, after a wait of at most a twentieth of a second.
#[cfg(unix)]
fn is_ready(pipe: &File) -> io::Result<bool> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let wait = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
    match poll(&mut [PollFd::new(pipe, PollFlags::IN)], Some(&wait)) {
        Ok(ready) => Ok(ready > 0),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Elsewhere reading waits, whatever the caller wants.
#[cfg(not(unix))]
fn is_ready(_: &File) -> io::Result<bool> {
    Ok(true)
}

/// Opens a named pipe without waiting for its writer: the first read waits, and can be stopped.
pub(super) fn open_pipe(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits() as i32);
    }
    options.open(path)
}

/// The standard input as a file of its own.
#[cfg(unix)]
pub(super) fn stdin() -> io::Result<File> {
    use std::os::fd::AsFd;
    Ok(File::from(io::stdin().as_fd().try_clone_to_owned()?))
}

/// The standard input as a file of its own.
#[cfg(windows)]
pub(super) fn stdin() -> io::Result<File> {
    use std::os::windows::io::AsHandle;
    Ok(File::from(io::stdin().as_handle().try_clone_to_owned()?))
}
