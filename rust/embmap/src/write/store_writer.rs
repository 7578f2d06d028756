//! Writes a store: rows as they come, from any thread, then everything else.

use std::{
    fs::File,
    path::Path,
    sync::atomic::AtomicBool,
    thread,
    time::{Duration, Instant},
};

use crate::{
    dtype::Dtype,
    error::{Error, Result},
    format::{HEADER_LEN, Header, Kind, MATRIX_ALIGN, SECTION_ALIGN, WIDEST, word_list::WordList},
    store::search::screen::plane_len,
    sys::{
        atomic_file::{AtomicFile, sync},
        pread::{read_exact_at, write_at},
        threads::{for_each, join_all, spawn},
    },
    write::index::BuiltIndex,
};

/// Bytes of a matrix from which the disk begins with it before the index is built.
const SYNC_BYTES: u64 = 16 << 20;

/// Bytes of a section that one thread writes at a time.
const PIECE_BYTES: usize = 1 << 20;

/// A store in the making, invisible until it is finished.
pub(crate) struct StoreWriter {
    file: AtomicFile,
    dtype: Dtype,
    dim: usize,
    /// Where the matrix begins.
    matrix: u64,
}

/// What a store holds besides its matrix.
pub(crate) struct Contents {
    /// One word a row, all different.
    pub words: WordList,
    /// CRC-32 of the matrix.
    pub matrix_crc: u32,
    /// 1 / length of each row.
    pub norms: Vec<f32>,
    /// Means, then deviations, of each dimension.
    pub statistics: Vec<f64>,
    /// What one whole number of each row is worth, where the numbers are int8.
    pub scales: Vec<f32>,
    /// CRC-32 of the planes, and the bounds, where there is a screening copy.
    pub screen: Option<(u32, Vec<f32>)>,
    /// What else there is where buckets have been written.
    pub buckets: Option<BucketContents>,
}

/// What a store holds besides the rows of n-gram buckets.
pub(crate) struct BucketContents {
    /// How many rows there are.
    pub rows: u64,
    /// CRC-32 of them.
    pub crc: u32,
    /// What one whole number of each row is worth, where the numbers are int8.
    pub scales: Vec<f32>,
    /// How words are cut into n-grams, and which buckets have rows.
    pub subwords: Vec<u8>,
}

/// Rows of n-gram buckets as they are stored; where one cannot be, which of them, and what is wrong.
pub(crate) fn encode_buckets(
    dtype: Dtype,
    dim: usize,
    rows: &[f32],
    scales: &mut Vec<f32>,
) -> Result<Vec<u8>, (usize, String)> {
    let edge = dtype.too_large();
    if let Some(at) = rows.iter().position(|x| x.abs() >= edge || x.is_nan()) {
        let what = if rows[at].is_finite() { "too large" } else { "no number" };
        return Err((
            at / dim,
            format!("number {} of {dim}, {}, is {what} for {}", at % dim + 1, rows[at], dtype.name()),
        ));
    }
    let mut stored = Vec::new();
    dtype.encode(rows, dim, &mut stored, scales);
    Ok(stored)
}

impl StoreWriter {
    /// Begins a store at `target` that has room for the rows of so many n-gram buckets before its matrix.
    pub(crate) fn create(target: &Path, dtype: Dtype, dim: usize, buckets: u64) -> Result<StoreWriter> {
        if !(1..=WIDEST as usize).contains(&dim) {
            return Err(Error::OutOfRange { name: "dim", least: 1, most: WIDEST.into(), found: dim as u64 });
        }
        let matrix = (HEADER_LEN + buckets * (dim * dtype.size()) as u64).next_multiple_of(MATRIX_ALIGN);
        Ok(StoreWriter { file: AtomicFile::create(target)?, dtype, dim, matrix })
    }

    /// Where the store will be.
    #[must_use]
    pub(crate) fn target(&self) -> &Path {
        self.file.target()
    }

    /// The type of the numbers.
    pub(crate) fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// Bytes of a row.
    fn row_len(&self) -> usize {
        self.dim * self.dtype.size()
    }

    fn place_of(&self, row: u64) -> u64 {
        self.matrix + row * self.row_len() as u64
    }

    /// Writes rows, as they are stored, the first of them at `first`.
    pub(crate) fn write_rows(&self, first: u64, stored: &[u8]) -> Result<()> {
        write_at(self.file.file(), stored, self.place_of(first)).map_err(Error::io(self.target()))
    }

    /// Writes rows of n-gram buckets, as they are stored, the first of them at `first`.
    pub(crate) fn write_buckets(&self, first: u64, stored: &[u8]) -> Result<()> {
        let place = HEADER_LEN + first * self.row_len() as u64;
        write_at(self.file.file(), stored, place).map_err(Error::io(self.target()))
    }

    /// Writes to both planes of the screening copy of `count` rows, from row `first` on.
    pub(crate) fn write_planes(&self, count: u64, first: u64, planes: [&[u8]; 2]) -> Result<()> {
        let start = self.place_of(count).next_multiple_of(SECTION_ALIGN);
        let length = plane_len(self.dim) as u64;
        for (plane, before) in planes.into_iter().zip([0, count]) {
            write_at(self.file.file(), plane, start + (before + first) * length).map_err(Error::io(self.target()))?;
        }
        Ok(())
    }

    /// Waits until what has been written so far is on the disk.
    pub(crate) fn sync_data(&self) -> Result<()> {
        sync(self.file.file(), File::sync_data).map_err(Error::io(self.target()))
    }

    /// Reads rows back, as they are stored.
    pub(crate) fn read_rows(&self, first: u64, count: usize) -> Result<Vec<u8>> {
        let mut stored = vec![0; count * self.row_len()];
        read_exact_at(self.file.file(), &mut stored, self.place_of(first)).map_err(Error::io(self.target()))?;
        Ok(stored)
    }

    /// Writes the rest, the header last, and publishes the store, unless told to `stop`; returns its length, and how long
    /// the disk was waited for.
    pub(crate) fn finish(
        self,
        contents: &Contents,
        metadata: &str,
        threads: Option<usize>,
        stop: &AtomicBool,
    ) -> Result<(u64, Duration)> {
        let rows = contents.words.len() as u64;
        let index = self.index(contents, threads)?;
        let mut sections: Vec<(Kind, &[u8])> = vec![
            (Kind::InverseNorms, bytemuck::cast_slice(&contents.norms)),
            (Kind::Pilots, &index.pilots),
            (Kind::Slots, &index.slots),
            (Kind::Words, contents.words.bytes()),
            (Kind::Offsets, bytemuck::cast_slice(contents.words.offsets())),
            (Kind::Metadata, metadata.as_bytes()),
            (Kind::Statistics, bytemuck::cast_slice(&contents.statistics)),
        ];
        if self.dtype == Dtype::Int8 {
            sections.push((Kind::Scales, bytemuck::cast_slice(&contents.scales)));
        }
        let mut lengths = Vec::new();
        if let Some(buckets) = &contents.buckets {
            lengths.push((Kind::Buckets, buckets.rows * self.row_len() as u64));
            if self.dtype == Dtype::Int8 {
                sections.push((Kind::BucketScales, bytemuck::cast_slice(&buckets.scales)));
            }
            sections.push((Kind::Subwords, &buckets.subwords));
        }
        lengths.push((Kind::Matrix, rows * self.row_len() as u64));
        if let Some((_, bounds)) = &contents.screen {
            lengths.push((Kind::Planes, 2 * rows * plane_len(self.dim) as u64));
            sections.push((Kind::PlaneBounds, bytemuck::cast_slice(bounds)));
        }
        lengths.extend(sections.iter().map(|(kind, bytes)| (*kind, bytes.len() as u64)));
        let mut header = Header::lay_out(self.dtype, self.dim as u32, rows, index.seed, &lengths);
        header.section_mut(Kind::Matrix).crc = contents.matrix_crc;
        if let Some((crc, _)) = &contents.screen {
            header.section_mut(Kind::Planes).crc = *crc;
        }
        if let Some(buckets) = &contents.buckets {
            header.section_mut(Kind::Buckets).crc = buckets.crc;
        }
        self.write_sections(&mut header, &sections, threads)?;
        let page = header.encode();
        write_at(self.file.file(), &page, 0).map_err(Error::io(self.target()))?;
        self.file.file().set_len(header.file_length).map_err(Error::io(self.target()))?;
        let started = Instant::now();
        self.file.publish(stop)?;
        Ok((header.file_length, started.elapsed()))
    }

    /// Builds the index; the disk takes what has been written of a large matrix meanwhile.
    fn index(&self, contents: &Contents, threads: Option<usize>) -> Result<BuiltIndex> {
        let build = || BuiltIndex::build(&contents.words, threads);
        if contents.words.len() as u64 * (self.row_len() as u64) < SYNC_BYTES {
            return build();
        }
        thread::scope(|scope| {
            // Without this thread the sync at the end waits longer, and that is all.
            let sync = spawn(scope, || self.sync_data());
            let index = build();
            join_all(Ok(()), sync.into_iter().collect())?;
            index
        })
    }

    /// Writes sections, and notes their checksums in the header.
    fn write_sections(&self, header: &mut Header, sections: &[(Kind, &[u8])], threads: Option<usize>) -> Result<()> {
        let mut pieces = Vec::new();
        for &(kind, bytes) in sections {
            let offset = header.section_mut(kind).offset;
            let place = |(i, piece)| (kind, offset + (i * PIECE_BYTES) as u64, piece, crc32fast::Hasher::new());
            pieces.extend(bytes.chunks(PIECE_BYTES).enumerate().map(place));
        }
        for_each(threads, &mut pieces, |(_, offset, piece, crc)| {
            crc.update(piece);
            write_at(self.file.file(), piece, *offset).map_err(Error::io(self.target()))
        })?;
        for run in pieces.chunk_by(|(one, ..), (other, ..)| one == other) {
            let mut crc = crc32fast::Hasher::new();
            run.iter().for_each(|(.., piece)| crc.combine(piece));
            header.section_mut(run[0].0).crc = crc.finalize();
        }
        Ok(())
    }
}
