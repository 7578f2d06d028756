//! A stream as a file, for a source that must be read at any place: unpacked into one that has no name and leaves nothing.

use std::{
    fs::File,
    io::{self, Read, Write},
    path::Path,
};

use super::{Stream, Unpacking, explain};
use crate::error::{Error, Result};

/// Unpacked at a time.
const STEP_BYTES: usize = 1 << 20;

/// A file of `head`, which has been read already, and of the rest of the stream, unless reading has failed; and how long it
/// is.
pub(crate) fn unpacked(
    path: &Path,
    head: &[u8],
    failure: Option<io::Error>,
    stream: &mut Stream,
    how: &Unpacking,
) -> Result<(File, u64)> {
    if let Some(error) = failure {
        return Err(explain(error, path));
    }
    let mut file = tempfile::tempfile_in(how.folder).map_err(Error::io(how.folder))?;
    file.write_all(head).map_err(Error::io(how.folder))?;
    let mut length = head.len() as u64;
    let mut buffer = vec![0; STEP_BYTES];
    loop {
        let read = match stream.read(&mut buffer) {
            Ok(0) => return Ok((file, length)),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(explain(error, path)),
        };
        file.write_all(&buffer[..read]).map_err(Error::io(how.folder))?;
        length += read as u64;
    }
}
