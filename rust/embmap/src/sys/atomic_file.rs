//! A file that appears whole or not at all: written where its target will be, synced, renamed over it. On Linux it has no name
//! until then, so that a process that is killed leaves nothing.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use tempfile::NamedTempFile;

use crate::error::{Error, Result};

/// What a file is called until it is the target, where it has a name.
const PREFIX: &str = ".embmap-";
const SUFFIX: &str = ".tmp";

/// A file in the making. Dropped before [`publish`](AtomicFile::publish), it is gone and the target is as it was.
pub(crate) struct AtomicFile {
    /// There until it is published or dropped.
    temp: Option<Temp>,
    target: PathBuf,
    old: Option<fs::Permissions>,
    /// The process that made it, and whose it stays in a child that was forked.
    process: u32,
}

/// Where a path leads, as people write it.
fn resolved(path: &Path) -> PathBuf {
    let found = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    #[cfg(windows)]
    if let Some(plain) =
        found.to_str().and_then(|text| text.strip_prefix(r"\\?\")).filter(|text| text[1..].starts_with(':'))
    {
        return plain.into();
    }
    found
}

impl AtomicFile {
    /// Begins a file in the target's folder. A target that is a link to a file is written where it points.
    pub(crate) fn create(target: &Path) -> Result<AtomicFile> {
        #[cfg(unix)]
        not_of_a_stranger(target).map_err(Error::io(target))?;
        let target = resolved(target);
        let old = fs::metadata(&target).ok();
        match &old {
            Some(old) if old.is_dir() => return Err(Error::io(&target)(io::ErrorKind::IsADirectory.into())),
            Some(old) if !old.is_file() => {
                let reason = "neither a file nor a place for one";
                return Err(Error::io(&target)(io::Error::new(io::ErrorKind::InvalidInput, reason)));
            }
            _ => {}
        }
        let old = old.map(|old| old.permissions());
        let temp = Temp::create(folder(&target), old.as_ref()).map_err(Error::io(&target))?;
        Ok(AtomicFile { temp: Some(temp), target, old, process: std::process::id() })
    }

    /// The file, to write into.
    pub(crate) fn file(&self) -> &File {
        self.temp.as_ref().expect("it is there until it is published").file()
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
        sync(file, File::sync_all).map_err(Error::io(&self.target))?;
        #[cfg(unix)]
        let folder = File::open(folder(&self.target)).map_err(Error::io(&self.target))?;
        if stop.load(Ordering::Relaxed) {
            return Err(Error::Cancelled);
        }
        if let Some(temp) = self.temp.take() {
            temp.persist(&self.target).map_err(failed)?;
        }
        #[cfg(unix)]
        sync(&folder, File::sync_all).map_err(Error::io(&self.target))?;
        Ok(())
    }
}

/// Makes a file durable, or a folder, by `File::sync_all` or its like. What macOS does to that end, some of its network file
/// systems do not offer.
pub(crate) fn sync(file: &File, how: fn(&File) -> io::Result<()>) -> io::Result<()> {
    let synced = how(file);
    #[cfg(target_os = "macos")]
    if let Err(error) = &synced
        && matches!(error.raw_os_error(), Some(22 | 25 | 45 | 102))
    {
        return rustix::fs::fsync(file).map_err(io::Error::from);
    }
    synced
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        // A child that ends takes nothing from the process that it was forked from.
        if self.process != std::process::id() {
            std::mem::forget(self.temp.take());
        }
    }
}

/// What is written, before it is the target.
enum Temp {
    #[cfg(target_os = "linux")]
    Nameless(File),
    Named(NamedTempFile),
}

impl Temp {
    #[cfg_attr(not(unix), allow(unused_variables))]
    fn create(folder: &Path, old: Option<&fs::Permissions>) -> io::Result<Temp> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(PREFIX).suffix(SUFFIX);
        #[cfg(unix)]
        {
            // The mode of the old file, or of one that any program makes (0666 less the umask); tempfile's own is 0600.
            use std::os::unix::fs::PermissionsExt;
            let mode = old.map_or(0o666, |old| old.mode() & 0o777);
            #[cfg(target_os = "linux")]
            if let Some(file) = nameless(folder, mode) {
                return Ok(Temp::Nameless(file));
            }
            builder.permissions(fs::Permissions::from_mode(mode));
        }
        builder.tempfile_in(folder).map(Temp::Named)
    }

    fn file(&self) -> &File {
        match self {
            #[cfg(target_os = "linux")]
            Temp::Nameless(file) => file,
            Temp::Named(temp) => temp.as_file(),
        }
    }

    /// Puts it in the place of `target`.
    fn persist(self, target: &Path) -> io::Result<()> {
        match self {
            #[cfg(target_os = "linux")]
            Temp::Nameless(file) => {
                use rustix::fs::{AtFlags, CWD, linkat};
                use std::{hash::BuildHasher, os::fd::AsRawFd};
                // A link cannot replace a file: it gets a name for the moment until it is renamed.
                let random = std::hash::RandomState::new().hash_one(std::process::id());
                let name = folder(target).join(format!("{PREFIX}{random:016x}{SUFFIX}"));
                linkat(CWD, open_as(file.as_raw_fd()), CWD, &name, AtFlags::SYMLINK_FOLLOW)?;
                fs::rename(&name, target).inspect_err(|_| drop(fs::remove_file(&name)))
            }
            Temp::Named(temp) => temp.persist(target).map(drop).map_err(|error| error.error),
        }
    }
}

/// A new file in `folder` that has no name yet; `None` where the system or the file system makes no such.
#[cfg(target_os = "linux")]
fn nameless(folder: &Path, mode: u32) -> Option<File> {
    use rustix::fs::{Mode, OFlags, open};
    use std::os::fd::AsRawFd;
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let file = File::from(open(folder, flags, Mode::from_raw_mode(mode)).ok()?);
    // By which it is given a name at the end.
    open_as(file.as_raw_fd()).exists().then_some(file)
}

#[cfg(target_os = "linux")]
fn open_as(descriptor: i32) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{descriptor}"))
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
    fn a_file_without_a_name_until_then_takes_the_place_of_the_old_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let target = folder.path().join("x");
        fs::write(&target, "old").expect("a file");
        let names = || fs::read_dir(folder.path()).expect("a folder").count();
        for create in [|folder: &Path| Temp::create(folder, None), named] {
            let temp = create(folder.path()).expect("a new file");
            fs::write(&target, "old").expect("a file");
            io::Write::write_all(&mut temp.file(), b"new").expect("written");
            temp.persist(&target).expect("published");
            assert_eq!(fs::read(&target).expect("the new file"), b"new");
            assert_eq!(names(), 1);
        }
    }

    fn named(folder: &Path) -> io::Result<Temp> {
        tempfile::Builder::new().prefix(PREFIX).suffix(SUFFIX).tempfile_in(folder).map(Temp::Named)
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
