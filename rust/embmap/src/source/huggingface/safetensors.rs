//! Tensors in safetensors files: where each lies, found from the header alone, every number of which is checked.
//!
//! A file is the length of the header (u64, little-endian), the header (JSON: name -> dtype, shape, offsets), the bytes.

use std::{
    collections::BTreeMap,
    ops::Range,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    dtype::Dtype,
    error::{Error, ParseError, Result, Unit},
    sys::{
        pread::{read_at, read_exact_at},
        regular,
    },
};

/// The format's own limit.
const LONGEST_HEADER: u64 = 100_000_000;
/// Bytes before the header.
const LENGTH: u64 = 8;

/// What a file holds.
pub(super) struct Header {
    path: PathBuf,
    entries: BTreeMap<String, Box<RawValue>>,
    /// Where the tensors' bytes begin and end.
    body: Range<u64>,
}

/// One tensor of a file.
#[derive(Debug, Clone)]
pub(super) struct Tensor {
    pub name: String,
    pub path: PathBuf,
    pub dtype: String,
    pub shape: Vec<u64>,
    /// Where its bytes are in the file.
    pub bytes: Range<u64>,
}

#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

impl Header {
    /// Reads the header of the file at `path`.
    pub(super) fn read(path: &Path) -> Result<Header> {
        let refuse = |reason: String| refuse(path, 0, reason);
        let file = regular::open(path).map_err(Error::io(path))?;
        let length = file.metadata().map_err(Error::io(path))?.len();
        let mut start = [0; LENGTH as usize];
        if read_at(&file, &mut start, 0).map_err(Error::io(path))? < start.len() {
            return Err(refuse(format!("{length} bytes are too few for a safetensors file: download it again")));
        }
        if start == *b"version " {
            let pointer = "this is a Git LFS pointer, not the file it stands for: run `git lfs pull`";
            return Err(refuse(pointer.into()));
        }
        let header = u64::from_le_bytes(start);
        if header > LONGEST_HEADER || header > length - LENGTH {
            let reason =
                format!("the header should have {header} bytes, the file has {length}: cut short, or no safetensors");
            return Err(refuse(reason));
        }
        let mut json = vec![0; header as usize];
        read_exact_at(&file, &mut json, LENGTH).map_err(Error::io(path))?;
        let entries = serde_json::from_slice(&json).map_err(|error| {
            let reason = format!("the header of a safetensors file is a JSON object, this is none: {error}");
            self::refuse(path, LENGTH, reason)
        })?;
        Ok(Header { path: path.to_path_buf(), entries, body: LENGTH + header..length })
    }

    /// The names of all tensors.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str).filter(|name| *name != "__metadata__")
    }

    /// The tensor of that name, if there is one and it lies where it can.
    pub(super) fn tensor(&self, name: &str) -> Result<Option<Tensor>> {
        let Some(entry) = self.entries.get(name) else { return Ok(None) };
        let refuse = |reason: String| refuse(&self.path, LENGTH, format!("the tensor {name:?} {reason}"));
        let Entry { dtype, shape, data_offsets: (start, end) } = serde_json::from_str(entry.get())
            .map_err(|error| refuse(format!("is described by {entry:.200}, which makes no sense: {error}")))?;
        let place = |offset: u64| self.body.start.checked_add(offset).filter(|&at| at <= self.body.end);
        let (Some(from), Some(to), true) = (place(start), place(end), start <= end) else {
            let room = self.body.end - self.body.start;
            let reason = format!("should be bytes {start}..{end} of {room}: cut short or damaged, download it again");
            return Err(refuse(reason));
        };
        let size = size_of_dtype(&dtype);
        let needed = shape.iter().try_fold(size.unwrap_or(0), |product, &length| product.checked_mul(length));
        if size.is_some() && needed != Some(to - from) {
            return Err(refuse(format!("has the shape {shape:?} of {dtype}, but {} bytes", to - from)));
        }
        Ok(Some(Tensor { name: name.to_owned(), path: self.path.clone(), dtype, shape, bytes: from..to }))
    }
}

impl Tensor {
    /// What is wrong with the tensor.
    pub(super) fn refuse(&self, reason: String) -> Error {
        refuse(&self.path, LENGTH, format!("the tensor {:?} {reason}", self.name))
    }
}

fn refuse(path: &Path, byte_offset: u64, reason: String) -> Error {
    ParseError::at(path, Unit::Byte, 1, byte_offset, reason).into()
}

/// Bytes of a number, where the type is one that is read here.
fn size_of_dtype(dtype: &str) -> Option<u64> {
    TensorDtype::named(dtype).map(|elements| elements.size() as u64).or(match dtype {
        "I64" => Some(8),
        "I32" => Some(4),
        _ => None,
    })
}

/// A type of numbers that can become a store's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TensorDtype {
    F64,
    /// All values of it are float32's too.
    Exact(Dtype),
}

impl TensorDtype {
    /// The numbers of a quantized table, whose scale is nowhere to be found.
    pub(super) const I8: TensorDtype = TensorDtype::Exact(Dtype::Int8);

    /// The type of that name.
    pub(super) fn named(dtype: &str) -> Option<TensorDtype> {
        Some(match dtype {
            "F64" => TensorDtype::F64,
            "F32" => TensorDtype::Exact(Dtype::Float32),
            "F16" => TensorDtype::Exact(Dtype::Float16),
            "BF16" => TensorDtype::Exact(Dtype::BFloat16),
            "I8" => TensorDtype::I8,
            _ => return None,
        })
    }

    /// Bytes of one number.
    pub(super) fn size(self) -> usize {
        match self {
            TensorDtype::F64 => 8,
            TensorDtype::Exact(dtype) => dtype.size(),
        }
    }

    /// Fills `values` with the numbers in `bytes`, each times `weight` and rounded once.
    pub(super) fn decode(self, bytes: &[u8], weight: Option<f64>, values: &mut [f32]) {
        match self {
            TensorDtype::F64 => {
                let weight = weight.unwrap_or(1.0);
                for (value, &bytes) in values.iter_mut().zip(bytes.as_chunks::<8>().0) {
                    *value = (f64::from_le_bytes(bytes) * weight) as f32;
                }
            }
            TensorDtype::Exact(dtype) => {
                dtype.decode(bytes, 1.0, values);
                if let Some(weight) = weight {
                    values.iter_mut().for_each(|value| *value = (f64::from(*value) * weight) as f32);
                }
            }
        }
    }

    /// The numbers in `bytes` as they are.
    pub(super) fn exactly(self, bytes: &[u8]) -> Vec<f64> {
        match self {
            TensorDtype::F64 => bytes.as_chunks::<8>().0.iter().map(|&bytes| f64::from_le_bytes(bytes)).collect(),
            TensorDtype::Exact(dtype) => {
                let mut values = vec![0.0; bytes.len() / dtype.size()];
                dtype.decode(bytes, 1.0, &mut values);
                values.into_iter().map(f64::from).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn file(content: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), content).expect("room");
        file
    }

    fn safetensors(header: &str, body: usize) -> Vec<u8> {
        [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &vec![0; body]].concat()
    }

    fn small() -> impl Strategy<Value = u64> {
        prop_oneof![0u64..12, Just(u64::MAX), Just(u64::MAX / 2 + 1), any::<u64>()]
    }

    proptest! {
        #[test]
        fn a_tensor_that_is_found_lies_in_the_file_and_has_its_shape(
            shape in proptest::collection::vec(small(), 0..4),
            offsets in (small(), small()),
            dtype in prop_oneof![Just("F32"), Just("F16"), Just("I8"), Just("I64"), Just("F8_E5M2")],
            body in 0usize..64,
        ) {
            let (start, end) = offsets;
            let header = format!(r#"{{"t":{{"dtype":"{dtype}","shape":{shape:?},"data_offsets":[{start},{end}]}}}}"#);
            let content = safetensors(&header, body);
            let file = file(&content);
            let found = Header::read(file.path()).expect("a header").tensor("t");
            if let Ok(tensor) = found {
                let bytes = tensor.expect("the header has it").bytes;
                prop_assert!(bytes.start <= bytes.end && bytes.end <= content.len() as u64);
                if let Some(size) = size_of_dtype(dtype) {
                    let numbers: u128 = shape.iter().map(|&length| u128::from(length)).product();
                    prop_assert_eq!(numbers * u128::from(size), u128::from(bytes.end - bytes.start));
                }
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(
            mut content in proptest::collection::vec(any::<u8>(), 0..80),
            length in proptest::option::of(0u64..80),
        ) {
            if let Some(length) = length && content.len() >= 8 {
                content[..8].copy_from_slice(&length.to_le_bytes());
            }
            let file = file(&content);
            if let Ok(header) = Header::read(file.path()) {
                prop_assert!(header.names().count() <= content.len());
            }
        }
    }

    #[test]
    fn numbers_become_what_they_are_worth() {
        let decode = |dtype, bytes: &[u8], weight| {
            let elements = TensorDtype::named(dtype).expect("a type");
            let mut values = [0.0f32; 2];
            elements.decode(bytes, weight, &mut values);
            if weight.is_none() {
                assert_eq!(elements.exactly(bytes).iter().map(|&x| x as f32).collect::<Vec<_>>(), values);
            }
            values
        };
        let doubles = [0.1f64.to_le_bytes(), (-1e-50f64).to_le_bytes()].concat();
        assert_eq!(decode("F64", &doubles, None), [0.1, -0.0]);
        assert_eq!(decode("F64", &doubles, Some(3.0)), [(0.1 * 3.0f64) as f32, -0.0]);
        let floats = [1e-45f32.to_le_bytes(), f32::MAX.to_le_bytes()].concat();
        assert_eq!(decode("F32", &floats, None), [1e-45, f32::MAX]);
        assert_eq!(decode("F32", &floats, Some(0.1)), [0.0, (f64::from(f32::MAX) * 0.1) as f32]);
        assert_eq!(decode("F16", &[0x01, 0x00, 0xff, 0x7b], None), [5.960_464_5e-8, 65_504.0]);
        assert_eq!(decode("BF16", &[0x80, 0x3f, 0x01, 0x00], None), [1.0, f32::from_bits(1 << 16)]);
        assert_eq!(decode("I8", &[0x81, 0x7f], None), [-127.0, 127.0]);
    }
}
