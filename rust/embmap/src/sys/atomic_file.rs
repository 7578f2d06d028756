//! A file that appears whole or not at all: written beside its target, synced, renamed over it.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use tempfile::NamedTempFile;

use crate::error::{Error, Result};

/// A file in the making. Dropped before [`publish`](AtomicFile::publish), it is gone and the target is as it was.
pub(crate) struct AtomicFile {
    /// There until it is published or dropped.
    temp: Option<NamedTempFile>,
    target: PathBuf,
    old: Option<fs::Permissions>,
    /// The process that made it, and whose it stays in a child that was forked.
    process: u32,
}

impl AtomicFile {
    /// Begins a file in the target's folder. A target that is a link to a file is written where it points.
    pub(crate) fn create(target: &Path) -> Result<AtomicFile> {
        #[cfg(unix)]
        not_of_a_stranger(target).map_err(Error::io(target))?;
        let target = fs::canonicalize(target).unwrap_or_else(|_| target.to_path_buf());
        let old = fs::metadata(&target).ok();
        match &old {
            Some(old) if old.is_dir() => return Err(Error::io(&target)(io::ErrorKind::IsADirectory.into())),
            Some(old) if !old.is_file() => {
                let reason = "neither a file nor a place for one";
                return Err(Error::io(&target)(io::Error::new(io::ErrorKind::InvalidInput, reason)));
            }
            _ => {}
        }
        let mut builder = tempfile::Builder::new();
        builder.prefix(".embmap-").suffix(".tmp");
        #[cfg(unix)]
        {
            // The mode of the old file, or of one that any program makes (0666 less the umask); tempfile's own is 0600.
            use std::os::unix::fs::PermissionsExt;
            let mode = old.as_ref().map_or(0o666, |old| old.permissions().mode() & 0o777);
            builder.permissions(fs::Permissions::from_mode(mode));
        }
        let temp = builder.tempfile_in(folder(&target)).map_err(Error::io(&target))?;
        let old = old.map(|old| old.permissions());
        Ok(AtomicFile { temp: Some(temp), target, old, process: std::process::id() })
    }

    /// The file, to write into.
    pub(crate) fn file(&self) -> &File {
        self.temp.as_ref().expect("it is there until it is published").as_file()
    }

    /// Where it will appear.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// Makes the file durable and puts it in its place, unless told to `stop` before that. The folder is synced too: without
    /// that a rename can be lost.
    pub(crate) fn publish(mut self, stop: &AtomicBool) -> Result<()> {
        let failed = Error::io(&self.target);
        if self.process != std::process::id() {
            return Err(failed(io::Error::other(
                "begun by the process that this one was forked from, which publishes it",
            )));
        }
        let file = self.file();
        if let Some(old) = &self.old
            && file.metadata().map_err(Error::io(&self.target))?.permissions() != *old
        {
            file.set_permissions(old.clone()).map_err(Error::io(&self.target))?;
        }
        file.sync_all().map_err(Error::io(&self.target))?;
        #[cfg(unix)]
        let folder = File::open(folder(&self.target)).map_err(Error::io(&self.target))?;
        if stop.load(Ordering::Relaxed) {
            return Err(Error::Cancelled);
        }
        if let Some(temp) = self.temp.take() {
            temp.persist(&self.target).map_err(|error| failed(error.error))?;
        }
        #[cfg(unix)]
        folder.sync_all().map_err(Error::io(&self.target))?;
        Ok(())
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        // A child that ends takes nothing from the process that it was forked from.
        if self.process != std::process::id() {
            std::mem::forget(self.temp.take());
        }
    }
}

/// Refuses what another user has put at `target`, a link above all, where the folder is one in which everyone may: the kernel
/// guards links there for those who open them, and not for those who look where they lead.
#[cfg(unix)]
fn not_of_a_stranger(target: &Path) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    const WRITABLE_BY_ALL: u32 = 0o002;
    let Ok(found) = fs::symlink_metadata(target) else { return Ok(()) };
    let ours = [rustix::process::geteuid().as_raw(), 0];
    if ours.contains(&found.uid()) || fs::metadata(folder(target))?.mode() & WRITABLE_BY_ALL == 0 {
        return Ok(());
    }
    let what = if found.is_symlink() { "a link" } else { "a file" };
    let reason =
        format!("{what} of another user, in a folder that everyone may write to: take it away, or name another place");
    Err(io::Error::new(io::ErrorKind::PermissionDenied, reason))
}

/// Where a file at `target` will be.
pub(crate) fn folder(target: &Path) -> &Path {
    match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn publish(file: AtomicFile) -> Result<()> {
        file.publish(&AtomicBool::new(false))
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("a file").permissions().mode() & 0o777
    }

    #[test]
    fn an_abandoned_file_leaves_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let target = folder.path().join("x");
        fs::write(&target, "old").expect("a file");
        drop(AtomicFile::create(&target).expect("a new file"));
        assert_eq!(fs::read(&target).expect("the old file"), b"old");
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
    }

    #[test]
    fn the_mode_is_the_old_files_or_what_the_umask_leaves() {
        let folder = tempfile::tempdir().expect("a folder");
        let (plain, target) = (folder.path().join("plain"), folder.path().join("x"));
        File::create(&plain).expect("a file");
        AtomicFile::create(&target).and_then(publish).expect("published");
        assert_eq!(mode(&target), mode(&plain));
        fs::set_permissions(&target, fs::Permissions::from_mode(0o640)).expect("a mode");
        AtomicFile::create(&target).and_then(publish).expect("published");
        assert_eq!(mode(&target), 0o640);
    }

    #[test]
    fn what_is_no_file_is_not_replaced() {
        assert!(AtomicFile::create(Path::new("/dev/null")).is_err());
        assert!(AtomicFile::create(Path::new("/")).is_err());
    }

    #[test]
    fn told_to_stop_it_leaves_the_old_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let target = folder.path().join("x");
        fs::write(&target, "old").expect("a file");
        let file = AtomicFile::create(&target).expect("a new file");
        assert!(file.publish(&AtomicBool::new(true)).is_err());
        assert_eq!(fs::read(&target).expect("the old file"), b"old");
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
    }

    #[test]
    fn a_link_stays_a_link() {
        let folder = tempfile::tempdir().expect("a folder");
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        fs::write(&real, "old").expect("a file");
        std::os::unix::fs::symlink(&real, &link).expect("a link");
        AtomicFile::create(&link).and_then(publish).expect("published");
        assert!(fs::symlink_metadata(&link).expect("the link").is_symlink());
        assert_eq!(fs::read(&real).expect("the file"), b"");
    }
}
