//! The only file that maps memory.
//!
//! What a store answers from is mapped read-only, and nobody else is given it. What is handed out is mapped once more,
//! copy-on-write: reads come straight from the page cache, shared by every process, and a write, through whatever array or
//! tensor, lands in a private page of this process, which no answer is read from. A read-only mapping would turn such a write
//! into a crash. What no map can survive is another program that cuts the file short while it is mapped: reading past the new
//! end is then a bus error. embmap itself never does that; it replaces stores by renaming.

use std::{
    fs::File,
    io,
    ops::Deref,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

#[cfg(unix)]
use memmap2::Advice;
use memmap2::{MmapOptions, MmapRaw};

use crate::{
    error::{Error, Result},
    sys::{
        network,
        pread::{read_at, read_exact_at, write_at},
        regular,
        threads::{for_each, while_ticking},
    },
};

/// Bytes that one thread brings into memory at a time, and that it copies at a time.
const PRELOAD_BYTES: usize = 32 << 20;
const COPY_BYTES: usize = 1 << 20;
/// The smallest page there is.
const PAGE_BYTES: usize = 4096;

/// How a file will be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// As the system thinks best: the default.
    Normal,
    /// Here and there: nothing is read ahead.
    Random,
    /// From start to end: much is read ahead.
    Sequential,
    /// All of it, soon: reading begins now, behind the caller's back.
    WillNeed,
}

/// A file in memory, read-only or copy-on-write.
#[derive(Debug)]
pub struct Map {
    path: PathBuf,
    file: Arc<File>,
    raw: MmapRaw,
}

impl Map {
    /// Maps the whole file, read-only.
    pub fn open(path: &Path) -> Result<Map> {
        Map::of(path, regular::open(path).map_err(Error::io(path))?)
    }

    /// Copies the whole file to where nobody else can change it, and maps that: on Linux to memory that has no name, elsewhere to
    /// a temporary file without one. `go_on` is asked about twenty times a second.
    pub fn copied(path: &Path, go_on: &mut dyn FnMut() -> bool) -> Result<Map> {
        let from = regular::open(path).map_err(Error::io(path))?;
        let length = from.metadata().map_err(Error::io(path))?.len();
        let to = nameless().map_err(Error::io(path))?;
        let stop = AtomicBool::new(false);
        let mut parts: Vec<u64> = (0..length).step_by(COPY_BYTES).collect();
        let copy = || {
            for_each(None, &mut parts, |start| {
                if stop.load(Ordering::Relaxed) {
                    return Err(Error::Cancelled);
                }
                let mut bytes = vec![0; (length - *start).min(COPY_BYTES as u64) as usize];
                let done = read_exact_at(&from, &mut bytes, *start).and_then(|()| write_at(&to, &bytes, *start));
                done.map_err(Error::io(path))
            })
        };
        while_ticking(&stop, copy, go_on)?;
        Map::of(path, to)
    }

    #[allow(unsafe_code)]
    fn of(path: &Path, file: File) -> Result<Map> {
        // SAFETY: nothing that this process does changes the mapping. Other programs can still change the file's bytes under
        // it; every reader of this crate therefore checks each offset and id at the moment of use, from a copy of it, and
        // treats the rest as numbers and bytes without invariants.
        let map = unsafe { MmapOptions::new().map(&file) }.map_err(Error::io(path))?;
        Ok(Map { path: path.to_path_buf(), file: Arc::new(file), raw: MmapRaw::from(map) })
    }

    /// The same file once more, to be handed out, with pages of its own for whatever is written.
    #[allow(unsafe_code)]
    pub fn again(&self) -> io::Result<Map> {
        // SAFETY: the mapping is private, so nothing that this process writes reaches the file; what others change, this
        // process or another program, is told of in `open`.
        let map = unsafe { MmapOptions::new().no_reserve_swap().map_copy(&*self.file) }?;
        Ok(Map { path: self.path.clone(), file: self.file.clone(), raw: MmapRaw::from(map) })
    }

    /// Brings the whole file into memory, several parts at once: what a cold file is then read at is the disk's best speed.
    pub fn preload(&self) -> Result<()> {
        // What is read from the disk then comes in pages of 2 MiB, and rows are found with fewer steps. Only worth asking for
        // where all is read: one look-up would read 2 MiB for a row.
        #[cfg(target_os = "linux")]
        let _ = self.raw.advise(Advice::HugePage);
        let mut parts: Vec<usize> = (0..self.raw.len()).step_by(PRELOAD_BYTES).collect();
        for_each(None, &mut parts, |start| {
            let length = PRELOAD_BYTES.min(self.raw.len() - *start);
            #[cfg(target_os = "linux")]
            match self.raw.advise_range(Advice::PopulateRead, *start, length) {
                // A system that is older than the request.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {}
                // The disk fails, or the file was cut short: to touch it would be the end of the process.
                Err(_) if self.file.metadata().is_ok_and(|now| now.len() < self.raw.len() as u64) => {
                    let error =
                        io::Error::new(io::ErrorKind::UnexpectedEof, "the file was cut short while it was open");
                    return Err(Error::io(&self.path)(error));
                }
                told => return told.map_err(Error::io(&self.path)),
            }
            // A system that cannot be asked reads what is touched.
            let touched =
                self[*start..*start + length].iter().step_by(PAGE_BYTES).map(|&byte| u64::from(byte)).sum::<u64>();
            std::hint::black_box(touched);
            Ok(())
        })
    }

    /// Tells the system how the file will be read, which changes how far it reads ahead and nothing else.
    pub fn advise(&self, access: Access) -> Result<()> {
        #[cfg(unix)]
        {
            let advice = match access {
                Access::Normal => Advice::Normal,
                Access::Random => Advice::Random,
                Access::Sequential => Advice::Sequential,
                Access::WillNeed => Advice::WillNeed,
            };
            self.raw.advise(advice).map_err(Error::io(&self.path))?;
        }
        #[cfg(not(unix))]
        let _ = access;
        Ok(())
    }

    /// Reads from the file, past the map, as [`read_at`] does.
    pub(crate) fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        read_at(&self.file, buffer, offset)
    }

    /// The file, as it was named when it was opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The kind of network file system that the file lies on, if it does and the system says so.
    #[must_use]
    pub fn network(&self) -> Option<String> {
        network::of(&self.file)
    }

    /// Where the bytes lie: of a map made by [`again`](Self::again), for an array or tensor that may be written.
    #[must_use]
    pub fn as_mut_ptr(&self) -> *mut u8 {
        self.raw.as_mut_ptr()
    }
}

/// A file that has no name, in memory where the system can.
fn nameless() -> io::Result<File> {
    #[cfg(target_os = "linux")]
    if let Ok(file) = rustix::fs::memfd_create("embmap", rustix::fs::MemfdFlags::CLOEXEC) {
        return Ok(file.into());
    }
    tempfile::tempfile()
}

impl Deref for Map {
    type Target = [u8];

    #[allow(unsafe_code)]
    fn deref(&self) -> &[u8] {
        // SAFETY: pointer and length are those of a live mapping, readable until `self` is dropped.
        unsafe { std::slice::from_raw_parts(self.raw.as_ptr(), self.raw.len()) }
    }
}

impl AsRef<[u8]> for Map {
    fn as_ref(&self) -> &[u8] {
        self
    }
}
