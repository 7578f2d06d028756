//! A file that appears whole or not at all: written beside its target, synced, renamed over it.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

use crate::error::{Error, Result};

/// A file in the making. Dropped before [`publish`](NewFile::publish), it is gone and the target is as it was.
pub(crate) struct NewFile {
    temp: NamedTempFile,
    target: PathBuf,
}

impl NewFile {
    /// Begins a file in the target's folder. A target that is a link is written where it points.
    pub(crate) fn create(target: &Path) -> Result<NewFile> {
        let target = fs::canonicalize(target).unwrap_or_else(|_| target.to_path_buf());
        if target.is_dir() {
            return Err(Error::io(&target)(io::ErrorKind::IsADirectory.into()));
        }
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let prefix = format!(".{name}.");
        let mut builder = tempfile::Builder::new();
        builder.prefix(&prefix).suffix(".tmp");
        #[cfg(unix)]
        {
            // The mode of a file that any program makes (0666 less the umask), where tempfile's own default is 0600.
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(fs::Permissions::from_mode(0o666));
        }
        let temp = builder.tempfile_in(folder(&target)).map_err(Error::io(&target))?;
        Ok(NewFile { temp, target })
    }

    /// The file, to write into.
    pub(crate) fn file(&self) -> &File {
        self.temp.as_file()
    }

    /// Where it will appear.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// Makes the file durable and puts it in its place. The folder is synced too: without that a rename can be lost.
    pub(crate) fn publish(self) -> Result<()> {
        let NewFile { temp, target } = self;
        if let Ok(old) = fs::metadata(&target) {
            temp.as_file().set_permissions(old.permissions()).map_err(Error::io(&target))?;
        }
        temp.as_file().sync_all().map_err(Error::io(&target))?;
        temp.persist(&target).map_err(|error| Error::io(&target)(error.error))?;
        #[cfg(unix)]
        File::open(folder(&target)).and_then(|folder| folder.sync_all()).map_err(Error::io(&target))?;
        Ok(())
    }
}

fn folder(target: &Path) -> &Path {
    match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("a file").permissions().mode() & 0o777
    }

    #[test]
    fn an_abandoned_file_leaves_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let target = folder.path().join("x");
        fs::write(&target, "old").expect("a file");
        drop(NewFile::create(&target).expect("a new file"));
        assert_eq!(fs::read(&target).expect("the old file"), b"old");
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
    }

    #[test]
    fn the_mode_is_the_old_files_or_what_the_umask_leaves() {
        let folder = tempfile::tempdir().expect("a folder");
        let (plain, target) = (folder.path().join("plain"), folder.path().join("x"));
        File::create(&plain).expect("a file");
        NewFile::create(&target).and_then(NewFile::publish).expect("published");
        assert_eq!(mode(&target), mode(&plain));
        fs::set_permissions(&target, fs::Permissions::from_mode(0o640)).expect("a mode");
        NewFile::create(&target).and_then(NewFile::publish).expect("published");
        assert_eq!(mode(&target), 0o640);
    }

    #[test]
    fn a_link_stays_a_link() {
        let folder = tempfile::tempdir().expect("a folder");
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        fs::write(&real, "old").expect("a file");
        std::os::unix::fs::symlink(&real, &link).expect("a link");
        NewFile::create(&link).and_then(NewFile::publish).expect("published");
        assert!(fs::symlink_metadata(&link).expect("the link").is_symlink());
        assert_eq!(fs::read(&real).expect("the file"), b"");
    }
}
