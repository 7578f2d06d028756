//! What the text comes in: a plain file, a compressed one, an archive, a stream.
//!
//! A plain file is read in parallel, at any place. Everything else is one stream of bytes, unpacked layer by layer as it is
//! read; the layers are told by their first bytes, never by the file's name.

mod bzip2;
mod layers;
pub(crate) mod limit;
mod members;
mod sequential;
mod stream;
mod tar;
mod unpacked;
mod utf16;
mod zip;

use std::{
    fs::{self, File},
    io,
    path::Path,
    sync::{Arc, atomic::AtomicBool},
};

pub(crate) use sequential::Sequential;
pub(crate) use stream::{Progress, Stream};
pub(crate) use unpacked::unpacked;

use crate::{
    error::{Error, ParseError, Result},
    sys::pread::read_at,
};

/// Bytes that tell what a file is: a tar archive's mark ends at byte 262.
const SNIFFED_BYTES: usize = 512;

/// Where the text is.
pub(crate) enum Input {
    /// As it is in a file of that length.
    File(File, u64),
    /// Behind a decompressor, in an archive, in a pipe.
    Stream(Stream),
}

impl Input {
    /// The same text, which is UTF-16, as UTF-8. `head`, its first bytes, are gone from a stream.
    pub(crate) fn decoding_utf16(
        self,
        head: Vec<u8>,
        encoding: &'static encoding_rs::Encoding,
        how: &Unpacking,
    ) -> Input {
        Input::Stream(match self {
            Input::File(file, length) => Stream::of_utf16_file(file, length, encoding, how),
            Input::Stream(stream) => stream.decoding_utf16(head, encoding),
        })
    }
}

/// How a container is read.
#[derive(Debug, Clone)]
pub(crate) struct Unpacking<'a> {
    /// The file wanted from an archive.
    pub member: Option<&'a str>,
    /// How many times the size of what is packed may be unpacked from it.
    pub max_expansion: f64,
    /// Where there is room for what must be unpacked before it is read.
    pub folder: &'a Path,
    /// Threads that unpack what can be unpacked side by side.
    pub threads: usize,
    /// Ends a wait for a pipe.
    pub stop: Arc<AtomicBool>,
}

/// Why a layer cannot be unpacked, in words for the user.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Damage(String);

/// An error of a layer, which the layers around it pass on as it is.
fn damage(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, Damage(what.into()))
}

/// An error of the input at `path`, damaged or refused by the system.
fn explain(error: io::Error, path: &Path) -> Error {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Damage>()) {
        Some(Damage(reason)) => ParseError::of(path, reason.as_str()).into(),
        None => Error::io(path)(error),
    }
}

/// Opens `path`, or the standard input for `-`.
pub(crate) fn open(path: &Path, how: &Unpacking) -> Result<Input> {
    let fail = |error| explain(error, path);
    if path == Path::new("-") {
        return Stream::of_pipe(stream::stdin().map_err(fail)?, how).map(Input::Stream).map_err(fail);
    }
    let metadata = fs::metadata(path).map_err(fail)?;
    if metadata.is_dir() {
        return Err(fail(io::ErrorKind::IsADirectory.into()));
    }
    if !metadata.is_file() {
        let pipe = stream::open_pipe(path).map_err(fail)?;
        return Stream::of_pipe(pipe, how).map(Input::Stream).map_err(fail);
    }
    let file = File::open(path).map_err(fail)?;
    let mut head = [0; SNIFFED_BYTES];
    let read = read_at(&file, &mut head, 0).map_err(fail)?;
    let head = &head[..read];
    if layers::is_zip(head) {
        return Stream::of_zip(file, how).map(Input::Stream).map_err(fail);
    }
    if layers::Layer::of(head).is_some() {
        return Stream::of_file(file, metadata.len(), how).map(Input::Stream).map_err(fail);
    }
    match how.member {
        Some(member) => Err(fail(damage(format!("member={member:?} is for an archive: this file is none")))),
        None => Ok(Input::File(file, metadata.len())),
    }
}
