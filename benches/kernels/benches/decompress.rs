//! Compressed text to a finished store, beside decompressing alone with the same crate.
//!
//! ```text
//! cargo bench -p embmap-kernels-bench --bench decompress -- FILE.gz FILE.bz2 FILE.xz FILE.zst
//! ```
//!
//! Five runs each, in turn, warm page cache; the table gives medians and how many times as long as decompressing the
//! conversion takes, with the sync at its end and without. The bytes that came out must be as many.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::Path,
    time::Instant,
};

const RUNS: usize = 5;
const BUFFER: usize = 256 << 10;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir_in(".")?;
    let target = folder.path().join("store.embmap");
    println!(
        "{:<32}{:>8}{:>12}{:>10}{:>8}{:>10}{:>8}",
        "", "MB out", "decompress", "convert", "ratio", "no sync", "ratio"
    );
    for path in std::env::args().skip(1).filter(|argument| !argument.starts_with("--")) {
        let path = Path::new(&path);
        let (mut alone, mut whole, mut unsynced, mut bytes) = (Vec::new(), Vec::new(), Vec::new(), 0);
        for _ in 0..RUNS {
            let started = Instant::now();
            bytes = drain(opened(path)?)?;
            alone.push(started.elapsed().as_secs_f64());
            let report = embmap::convert(path, &target, &embmap::Options::default(), &mut |_, _| true)?;
            assert_eq!(report.bytes_read, bytes, "other bytes came out");
            whole.push(report.seconds);
            unsynced.push(report.seconds - report.sync_seconds);
            std::fs::remove_file(&target)?;
        }
        let [alone, whole, unsynced] = [alone, whole, unsynced].map(median);
        println!(
            "{:<32}{:>8}{alone:>10.2} s{whole:>8.2} s{:>8.2}{unsynced:>8.2} s{:>8.2}",
            path.file_name().unwrap_or_default().to_string_lossy(),
            bytes / 1_000_000,
            whole / alone,
            unsynced / alone,
        );
    }
    Ok(())
}

/// Reads to nowhere, a block of a conversion at a time.
fn drain(mut text: impl Read) -> io::Result<u64> {
    let mut block = vec![0; 1 << 20];
    let mut bytes = 0;
    loop {
        match text.read(&mut block)? {
            0 => return Ok(bytes),
            read => bytes += read as u64,
        }
    }
}

/// The crates and buffers that embmap itself uses.
fn opened(path: &Path) -> io::Result<Box<dyn Read>> {
    let packed = BufReader::with_capacity(BUFFER, File::open(path)?);
    Ok(match path.extension().and_then(|suffix| suffix.to_str()) {
        Some("gz") => Box::new(flate2::bufread::MultiGzDecoder::new(packed)),
        Some("bz2") => Box::new(bzip2::bufread::MultiBzDecoder::new(packed)),
        Some("xz") => Box::new(liblzma::bufread::XzDecoder::new_multi_decoder(packed)),
        Some("zst") => Box::new(zstd::stream::read::Decoder::with_buffer(packed)?),
        _ => return Err(io::Error::other(format!("{}: not .gz, .bz2, .xz or .zst", path.display()))),
    })
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}
