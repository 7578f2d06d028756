//! One file out of a zip archive, zip64 included: the table of contents is the `zip` crate's, the bytes are read here.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    sync::{Arc, atomic::AtomicU64},
};

use ::zip::{CompressionMethod, ZipArchive};

use super::{
    Unpacking, damage,
    layers::{Bytes, Layer, unpack_member},
    limit::Counted,
    members::Members,
};

/// The bytes of the one member, unpacked and checked against its checksum, and how many they are packed.
pub(super) fn member(file: File, count: &Arc<AtomicU64>, how: &Unpacking) -> io::Result<(Bytes, u64)> {
    let damaged = |error: ::zip::result::ZipError| {
        damage(format!("the zip archive is cut short or damaged ({error}); download it again"))
    };
    let mut archive = ZipArchive::new(file.try_clone()?).map_err(damaged)?;
    let mut members = Members::new(how.member);
    let mut places = Vec::new();
    for i in 0..archive.len() {
        let entry = archive.by_index_raw(i).map_err(damaged)?;
        if entry.is_file() {
            members.meet(&entry.name().map_err(damaged)?);
            places.push(i);
        }
    }
    let entry = archive.by_index_raw(places[members.only()?]).map_err(damaged)?;
    if entry.encrypted() {
        return Err(damage("the archive is encrypted: unpack it first"));
    }
    let layer = match entry.compression() {
        CompressionMethod::STORE => None,
        CompressionMethod::DEFLATE => Some(Layer::Gzip),
        CompressionMethod::BZIP2 => Some(Layer::Bzip2),
        CompressionMethod::XZ => Some(Layer::Xz),
        CompressionMethod::ZSTD => Some(Layer::Zstd),
        CompressionMethod::DEFLATE64 => Some(Layer::Deflate64),
        CompressionMethod::LZMA => return Err(unread("LZMA")),
        CompressionMethod::PPMD => return Err(unread("PPMd")),
        _ => return Err(unread("a method that embmap does not know")),
    };
    let (size, crc, packed_size) = (entry.size(), entry.crc32(), entry.compressed_size());
    let start = entry.data_start().ok_or_else(|| damage("the zip archive does not say where its data are"))?;
    drop(entry);
    let mut packed = file;
    packed.seek(SeekFrom::Start(start))?;
    let packed = Counted { inner: packed.take(packed_size), count: count.clone(), stop: how.stop.clone() };
    let inside = unpack_member(packed, layer)?;
    let hasher = crc32fast::Hasher::new();
    Ok((Box::new(Checked { inside, left: size, hasher, crc }), packed_size))
}

fn unread(method: &str) -> io::Error {
    damage(format!("the archive is packed with {method}, which is rare and not read here: unpack it first"))
}

/// Compares length and checksum with the archive's at the end.
struct Checked {
    inside: Bytes,
    left: u64,
    hasher: crc32fast::Hasher,
    crc: u32,
}

impl Read for Checked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let read = self.inside.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        let sound = match self.left.checked_sub(read as u64) {
            Some(0) if read == 0 => self.hasher.clone().finalize() == self.crc,
            Some(left) => {
                self.left = left;
                read > 0
            }
            None => false,
        };
        if sound {
            Ok(read)
        } else {
            Err(damage("the zip member does not match its length or checksum; download it again"))
        }
    }
}
