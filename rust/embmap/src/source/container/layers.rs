//! Compression: what a stream is packed in, told by its first bytes, and the well-kept crate that unpacks it.

use std::{
    io::{self, BufReader, Read},
    sync::{Arc, atomic::AtomicU64},
};

use deflate64::Deflate64Decoder;
use liblzma::{
    bufread::XzDecoder,
    stream::{CONCATENATED, Stream},
};

use super::{
    SNIFFED_BYTES, Unpacking,
    bzip2::Bzip2,
    damage,
    limit::Limited,
    members::Members,
    tar::{self, Tar},
};

/// Streams inside streams: a `.txt.gz` in a `.tar.xz` has three.
const DEEPEST: usize = 4;
/// Read from the layer below at a time.
const BUFFER_BYTES: usize = 256 << 10;
/// More memory than any ordinary `.xz` asks for (64 MiB), so that a crafted one cannot ask for 4 GiB.
const XZ_MEMORY_BYTES: u64 = 1 << 30;

/// Bytes from somewhere, on whichever thread.
pub(super) type Bytes = Box<dyn Read + Send>;

/// One way to pack a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layer {
    Gzip,
    Bzip2,
    Xz,
    /// What came before xz: a header without a mark, and the same compression.
    Lzma,
    Zstd,
    Tar,
    /// Deflate with a window twice as large, in zip archives alone.
    Deflate64,
}

impl Layer {
    /// What a stream that starts with `head` is packed in.
    pub(super) fn of(head: &[u8]) -> Option<Layer> {
        if head.starts_with(b"\x1f\x8b") {
            Some(Layer::Gzip)
        } else if head.starts_with(b"BZh") && matches!(head.get(4..10), Some(b"1AY&SY" | b"\x17rE8P\x90")) {
            Some(Layer::Bzip2)
        } else if head.starts_with(b"\xfd7zXZ\0") {
            Some(Layer::Xz)
        } else if is_lzma(head) {
            Some(Layer::Lzma)
        } else if head.starts_with(b"\x28\xb5\x2f\xfd") {
            Some(Layer::Zstd)
        } else if tar::is_archive(head) {
            Some(Layer::Tar)
        } else {
            None
        }
    }

    fn name(self) -> &'static str {
        match self {
            Layer::Gzip => "gzip",
            Layer::Bzip2 => "bzip2",
            Layer::Xz => "xz",
            Layer::Lzma => "lzma",
            Layer::Zstd => "zstd",
            Layer::Tar => "tar",
            Layer::Deflate64 => "Deflate64",
        }
    }

    /// The stream inside. All members of a `.gz`, all streams of a `.bz2` or `.xz`, all frames of a `.zst` are read.
    fn unpack(self, packed: impl Read + Send + 'static, how: &Unpacking) -> io::Result<Bytes> {
        let packed = BufReader::with_capacity(BUFFER_BYTES, packed);
        let inside: Bytes = match self {
            Layer::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(packed)),
            Layer::Bzip2 => Box::new(Bzip2::new(packed, how.threads)),
            Layer::Xz => {
                Box::new(XzDecoder::new_stream(packed, Stream::new_stream_decoder(XZ_MEMORY_BYTES, CONCATENATED)?))
            }
            Layer::Lzma => Box::new(XzDecoder::new_stream(packed, Stream::new_lzma_decoder(XZ_MEMORY_BYTES)?)),
            Layer::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(packed)?),
            Layer::Deflate64 => Box::new(Deflate64Decoder::with_buffer(packed)),
            Layer::Tar => return Ok(Box::new(Tar::new(packed, Members::new(how.member)))),
        };
        Ok(Box::new(WithLayer { name: self.name(), inside }))
    }
}

/// Whether `head` starts a zip archive, an empty one included.
pub(super) fn is_zip(head: &[u8]) -> bool {
    head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06")
}

/// The parameters that every tool writes, a size of the dictionary below 4 GiB, and a length that is unknown or below 2⁴⁸: no
/// text has two zeros behind its first byte.
fn is_lzma(head: &[u8]) -> bool {
    let Some((parameters, rest)) = head.split_first_chunk::<5>() else { return false };
    let Some(length) = rest.first_chunk::<8>() else { return false };
    parameters[..3] == [0x5d, 0, 0] && (*length == [0xff; 8] || length[6..] == [0, 0])
}

/// Unpacks `bytes` until what comes out is packed in nothing.
pub(super) fn unpack(mut bytes: Bytes, packed: &Arc<AtomicU64>, how: &Unpacking) -> io::Result<Bytes> {
    let mut in_archive = false;
    for depth in 0.. {
        let mut head = Vec::with_capacity(SNIFFED_BYTES);
        bytes.by_ref().take(SNIFFED_BYTES as u64).read_to_end(&mut head)?;
        if is_zip(&head) {
            return Err(damage(
                "a zip archive can be read from a file only, because its table of contents is at its end: save it as one",
            ));
        }
        let layer = Layer::of(&head);
        let whole = io::Cursor::new(head).chain(bytes);
        match (layer, how.member) {
            (None, Some(member)) if !in_archive => {
                return Err(damage(format!("member={member:?} is for an archive: this is none")));
            }
            (None, _) => return Ok(Box::new(whole)),
            (Some(_), _) if depth == DEEPEST => break,
            (Some(layer), _) => {
                in_archive |= layer == Layer::Tar;
                bytes = Box::new(Limited::new(layer.unpack(whole, how)?, packed, how.max_expansion));
            }
        }
    }
    Err(damage(format!("packed more than {DEEPEST} times over: unpack it first")))
}

/// The stream of one member of a zip archive.
pub(super) fn unpack_member(packed: impl Read + Send + 'static, layer: Option<Layer>) -> io::Result<Bytes> {
    let packed = BufReader::with_capacity(BUFFER_BYTES, packed);
    let (name, inside): (_, Bytes) = match layer {
        // In a zip archive, deflated bytes have no gzip header around them.
        Some(Layer::Gzip) => ("deflate", Box::new(flate2::bufread::DeflateDecoder::new(packed))),
        Some(Layer::Bzip2) => ("bzip2", Box::new(::bzip2::bufread::BzDecoder::new(packed))),
        Some(Layer::Xz) => {
            ("xz", Box::new(XzDecoder::new_stream(packed, Stream::new_stream_decoder(XZ_MEMORY_BYTES, 0)?)))
        }
        Some(Layer::Zstd) => ("zstd", Box::new(zstd::stream::read::Decoder::with_buffer(packed)?)),
        Some(Layer::Deflate64) => ("Deflate64", Box::new(Deflate64Decoder::with_buffer(packed))),
        Some(Layer::Lzma | Layer::Tar) | None => ("zip", Box::new(packed)),
    };
    Ok(Box::new(WithLayer { name, inside }))
}

/// Says which layer is damaged; what the system says stays as it is.
struct WithLayer {
    name: &'static str,
    inside: Bytes,
}

impl Read for WithLayer {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inside.read(buffer).map_err(|error| {
            let told =
                error.raw_os_error().is_some() || error.get_ref().is_some_and(|inner| inner.is::<super::Damage>());
            if told || error.kind() == io::ErrorKind::Interrupted {
                return error;
            }
            let name = self.name;
            damage(match wants_memory(&error) {
                true => format!(
                    "the {name} data need more memory than a file should ask for; unpack the file with {name} itself"
                ),
                false => format!("the {name} data are cut short or damaged ({error}); download the file again"),
            })
        })
    }
}

/// Whether a decoder refused a window that is larger than it may be, as `xz` and `zstd --ultra --long=31` make them.
fn wants_memory(error: &io::Error) -> bool {
    let of_xz = error.get_ref().and_then(|inner| inner.downcast_ref::<::liblzma::stream::Error>());
    // zstd's errors have nothing but their text.
    of_xz == Some(&::liblzma::stream::Error::MemLimit) || error.to_string().contains("requires too much memory")
}
