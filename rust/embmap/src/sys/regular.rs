//! Files that must be files: a pipe or a device in their place would make the process wait, or end it.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read},
    path::Path,
};

/// Opens a file to be read at any place. What is no regular file is an error at once, also where opening it would wait.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // Without a writer, opening a pipe waits for one, and a signal does not end that.
        options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits() as i32);
    }
    let file = options.open(path).map_err(|error| match path.is_dir() {
        // Windows says of a folder that it may not be read.
        true => io::ErrorKind::IsADirectory.into(),
        false => error,
    })?;
    let kind = file.metadata()?;
    if kind.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !kind.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "expected a file, found a pipe or a device"));
    }
    Ok(file)
}

/// All bytes of a file that should be short; `None` where it has more than `longest`.
pub(crate) fn read_short(path: &Path, longest: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    open(path)?.take(longest.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= longest).then_some(bytes))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_file_is_refused_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let pipe = folder.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR).expect("a pipe");
        assert_eq!(open(&pipe).expect_err("a pipe").kind(), io::ErrorKind::InvalidInput);
        assert_eq!(open(Path::new("/dev/zero")).expect_err("a device").kind(), io::ErrorKind::InvalidInput);
        assert_eq!(open(folder.path()).expect_err("a folder").kind(), io::ErrorKind::IsADirectory);
        assert_eq!(open(&folder.path().join("nothing")).expect_err("nothing").kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn what_is_not_short_is_read_no_further() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("file");
        std::fs::write(&file, b"1234").expect("a file");
        assert_eq!(read_short(&file, 4).expect("a file"), Some(b"1234".to_vec()));
        assert_eq!(read_short(&file, 3).expect("a file"), None);
    }
}
