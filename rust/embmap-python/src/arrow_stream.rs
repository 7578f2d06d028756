//! A store as an Arrow stream: columns `word` and `vector`, in batches whose numbers lie in the map.

use std::{ptr::NonNull, sync::Arc};

use arrow_array::{
    ArrayRef, ArrowPrimitiveType, FixedSizeListArray, PrimitiveArray, RecordBatch, RecordBatchReader, StringArray,
    ffi_stream::FFI_ArrowArrayStream,
    types::{Float16Type, Float32Type},
};
use arrow_buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Schema, SchemaRef};
use embmap::{Dtype, Map, Number, Store, format::Kind};
use pyo3::{exceptions::PyValueError, prelude::*, types::PyCapsule};

/// Bytes of a batch's numbers, about, and the most rows.
const BATCH_BYTES: usize = 64 << 20;
const BATCH_ROWS: usize = 1 << 16;

/// A capsule with the stream of the `first` rows of `store`, or of `only` some, as Arrow's PyCapsule interface asks for it.
pub(crate) fn capsule<'py>(
    py: Python<'py>,
    store: &Arc<Store<Map>>,
    first: usize,
    only: Option<Vec<u32>>,
) -> PyResult<Bound<'py, PyCapsule>> {
    let batches = Batches::of(store.clone(), first, only).map_err(|error| PyValueError::new_err(error.to_string()))?;
    PyCapsule::new_with_value(py, FFI_ArrowArrayStream::new(Box::new(batches)), c"arrow_array_stream")
}

/// The rows that are left.
struct Batches {
    store: Arc<Store<Map>>,
    only: Option<Vec<u32>>,
    next: usize,
    end: usize,
    rows_of_a_batch: usize,
    schema: SchemaRef,
    item: FieldRef,
}

impl Batches {
    fn of(store: Arc<Store<Map>>, first: usize, only: Option<Vec<u32>>) -> Result<Batches, ArrowError> {
        let dim = i32::try_from(store.dim())
            .map_err(|_| ArrowError::InvalidArgumentError(format!("rows of {} numbers: too long", store.dim())))?;
        let halves = store.header().dtype == Dtype::Float16;
        // Nothing is ever null, but a schema that says so equals no schema that others write down.
        let item = Arc::new(Field::new_list_field(if halves { DataType::Float16 } else { DataType::Float32 }, true));
        let schema = Schema::new(vec![
            Field::new("word", DataType::Utf8, true),
            Field::new("vector", DataType::FixedSizeList(item.clone(), dim), true),
        ]);
        let rows = (BATCH_BYTES / (store.dim() * if halves { 2 } else { 4 })).clamp(1, BATCH_ROWS);
        // Every batch of more rows than a few begins at a multiple of 64 bytes, as Arrow recommends.
        let rows_of_a_batch = if rows > 64 { rows / 64 * 64 } else { rows };
        if let Some(id) = only.iter().flatten().find(|id| **id as usize >= store.len()) {
            return Err(ArrowError::InvalidArgumentError(format!("{id} is not a row: there are {}", store.len())));
        }
        let end = only.as_ref().map_or(first.min(store.len()), Vec::len);
        Ok(Batches { store, only, next: 0, end, rows_of_a_batch, schema: Arc::new(schema), item })
    }

    /// The row of the store at `place`.
    fn id(&self, place: usize) -> usize {
        self.only.as_ref().map_or(place, |ids| ids[place] as usize)
    }

    fn batch(&mut self) -> Result<RecordBatch, ArrowError> {
        let start = self.next;
        let words = self.words(start, self.end.min(start + self.rows_of_a_batch))?;
        self.next += words.offsets().len() - 1;
        let numbers = match self.store.header().dtype {
            Dtype::Float16 => self.numbers::<Float16Type>(start)?,
            _ => self.numbers::<Float32Type>(start)?,
        };
        // That `dim` fits was found in the beginning.
        let vectors = FixedSizeListArray::try_new(self.item.clone(), self.store.dim() as i32, numbers, None)?;
        RecordBatch::try_new(self.schema.clone(), vec![Arc::new(words), Arc::new(vectors)])
    }

    /// The words from place `start` on, up to `end` or to where they are as long as one array of text may be. They are copied, and
    /// checked as copies: the bytes of a map can change.
    fn words(&self, start: usize, end: usize) -> Result<StringArray, ArrowError> {
        let (mut bytes, mut offsets) = (Vec::new(), vec![0]);
        for place in start..end {
            let word = self.store.words().get(self.id(place)).map_err(external)?;
            match i32::try_from(bytes.len() + word.len()) {
                Ok(end) => offsets.push(end),
                Err(_) if place > start => break,
                Err(_) => return Err(ArrowError::OffsetOverflowError(word.len())),
            }
            bytes.extend_from_slice(word);
        }
        StringArray::try_new(OffsetBuffer::new(ScalarBuffer::from(offsets)), Buffer::from_vec(bytes), None)
    }

    /// The numbers of the rows from place `start` to the next one: in the map, where they are stored as they are shown.
    fn numbers<T>(&self, start: usize) -> Result<ArrayRef, ArrowError>
    where
        T: ArrowPrimitiveType<Native: Number>,
    {
        let numbers = (self.next - start) * self.store.dim();
        let is_shown = self.store.header().dtype == T::Native::DTYPE;
        let values: ScalarBuffer<T::Native> = if is_shown && self.only.is_none() {
            ScalarBuffer::new(self.matrix(), start * self.store.dim(), numbers)
        } else {
            let ids: Vec<i64> = (start..self.next).map(|place| self.id(place) as i64).collect();
            let mut values = Vec::new();
            values.try_reserve_exact(numbers).map_err(|error| ArrowError::MemoryError(error.to_string()))?;
            values.resize(numbers, T::Native::default());
            self.store.gather(&ids, &mut values).map_err(external)?;
            values.into()
        };
        Ok(Arc::new(PrimitiveArray::<T>::try_new(values, None)?))
    }

    /// All numbers, as they are stored.
    #[allow(unsafe_code)]
    fn matrix(&self) -> Buffer {
        let matrix = self.store.header().section(Kind::Matrix).range();
        let bytes = &self.store.data()[matrix];
        // SAFETY: pointer and length are those of a slice of the mapping, which lives as long as the store, and the buffer
        // holds the store until its last copy is dropped. Every pattern of its bytes is a number, so that it does not matter
        // to the type what another program does to the file meanwhile, or what is written through a tensor over the same pages.
        unsafe { Buffer::from_custom_allocation(NonNull::from(bytes).cast(), bytes.len(), self.store.clone()) }
    }
}

impl Iterator for Batches {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        (self.next < self.end).then(|| self.batch())
    }
}

impl RecordBatchReader for Batches {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
}

fn external(error: impl std::error::Error + Send + Sync + 'static) -> ArrowError {
    ArrowError::ExternalError(Box::new(error))
}
