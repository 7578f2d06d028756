//! Arrow's string columns, taken over through the PyCapsule interface and read where they lie.

use std::{ffi::CStr, ops::Range, ptr::NonNull};

use arrow_array::{
    Array, ArrayRef, GenericStringArray, OffsetSizeTrait,
    cast::AsArray,
    ffi::{FFI_ArrowArray, from_ffi},
    ffi_stream::ArrayStreamReader,
    make_array,
};
use arrow_buffer::Buffer;
use arrow_data::ByteView;
use arrow_schema::{ArrowError, DataType, ffi::FFI_ArrowSchema};
use embmap::{FormatError, Map, Store};
use pyo3::{
    exceptions::{PyTypeError, PyValueError},
    prelude::*,
    types::{PyCapsule, PyCapsuleMethods},
};

use super::no_str;

/// Bytes of a string that lie in its view.
const INLINE: usize = 12;

/// A column of words, in one piece or several, without nulls.
pub(crate) struct Column {
    pieces: Vec<ArrayRef>,
}

impl Column {
    /// The words of what offers its data as Arrow does; `None` where it does not.
    pub(crate) fn of(object: &Bound<'_, PyAny>) -> PyResult<Option<Column>> {
        // How long its memory is, is lost on the way: pyarrow itself must look whether the last string lies in it.
        if object.get_type().module()?.to_cow()?.starts_with("pyarrow") && object.hasattr("validate")? {
            object.call_method0("validate")?;
        }
        let pieces = if object.hasattr("__arrow_c_stream__")? {
            let Ok(capsule) = object.call_method0("__arrow_c_stream__") else {
                // Some offer it and then miss a package of theirs; their items can still be had one by one.
                return Ok(None);
            };
            stream(&capsule.cast_into()?)?
        } else if object.hasattr("__arrow_c_array__")? {
            let (schema, array) = object.call_method0("__arrow_c_array__")?.extract()?;
            vec![array_of(&schema, &array)?]
        } else {
            return Ok(None);
        };
        let mut pieces = pieces.into_iter().map(only_column).collect::<PyResult<Vec<_>>>()?;
        // What a column of objects is that has no items.
        pieces.retain(|piece| piece.data_type() != &DataType::Null || !piece.is_empty());
        let mut position = 0;
        for piece in &pieces {
            if piece.data_type() == &DataType::Null {
                return Err(no_str("null", position));
            }
            if !is_text(piece.data_type()) {
                return Err(PyTypeError::new_err(format!("expected strings, found Arrow's {}", piece.data_type())));
            }
            check(piece).map_err(|what| PyValueError::new_err(format!("the Arrow column is corrupt: {what}")))?;
            if let Some(nulls) = piece.logical_nulls()
                && let Some(null) = nulls.iter().position(|valid| !valid)
            {
                return Err(no_str("null", position + null));
            }
            position += piece.len();
        }
        Ok(Some(Column { pieces }))
    }

    pub(crate) fn len(&self) -> usize {
        self.pieces.iter().map(|piece| piece.len()).sum()
    }

    pub(crate) fn find(&self, store: &Store<Map>, missing: i64, ids: &mut [i64]) -> Result<(), FormatError> {
        let mut rest = ids;
        for piece in &self.pieces {
            let (ids, others) = rest.split_at_mut(piece.len());
            find(piece, store, missing, ids)?;
            rest = others;
        }
        Ok(())
    }

    /// Calls `each` with each word.
    pub(crate) fn for_each(&self, each: &mut impl FnMut(&[u8]) -> PyResult<()>) -> PyResult<()> {
        self.pieces.iter().try_for_each(|piece| {
            let (keys, values) = keys_and_values(piece);
            let words = words(values, 0..values.len());
            // What is kept must be text; what is looked up is only compared.
            if let Some(i) = words.iter().position(|word| std::str::from_utf8(word).is_err()) {
                return Err(PyValueError::new_err(format!("the Arrow column is corrupt: string {i} is no UTF-8")));
            }
            match keys {
                Some(keys) => keys.iter().try_for_each(|&key| each(words[key])),
                None => words.into_iter().try_for_each(&mut *each),
            }
        })
    }
}

fn find(piece: &ArrayRef, store: &Store<Map>, missing: i64, ids: &mut [i64]) -> Result<(), FormatError> {
    let (keys, values) = keys_and_values(piece);
    let read = |range: Range<usize>, find: &mut embmap::Find| find(&words(values, range));
    match keys {
        // Each word of a dictionary is looked up once.
        Some(keys) => {
            let mut rows = vec![0; values.len()];
            store.find_ranges(missing, &mut rows, read)?;
            ids.iter_mut().zip(keys).for_each(|(id, key)| *id = rows[key]);
            Ok(())
        }
        None => store.find_ranges(missing, ids, read),
    }
}

/// The strings themselves, and for a dictionary which of them each item is.
fn keys_and_values(piece: &ArrayRef) -> (Option<Vec<usize>>, &ArrayRef) {
    match piece.as_any_dictionary_opt() {
        Some(dictionary) if dictionary.is_empty() => (Some(Vec::new()), dictionary.values()),
        Some(dictionary) => (Some(dictionary.normalized_keys()), dictionary.values()),
        None => (None, piece),
    }
}

/// Some words of an array of strings, whose places have been checked.
fn words(values: &ArrayRef, range: Range<usize>) -> Vec<&[u8]> {
    fn between<O: OffsetSizeTrait>(values: &GenericStringArray<O>, range: Range<usize>) -> Vec<&[u8]> {
        let (offsets, bytes) = (values.value_offsets(), values.value_data());
        range.map(|i| &bytes[offsets[i].as_usize()..offsets[i + 1].as_usize()]).collect()
    }
    match values.data_type() {
        DataType::Utf8 => between(values.as_string::<i32>(), range),
        DataType::LargeUtf8 => between(values.as_string::<i64>(), range),
        _ => {
            let values = values.as_string_view();
            let buffers = values.data_buffers();
            values.views()[range].iter().map(|view| string(view, buffers).unwrap_or_default()).collect()
        }
    }
}

/// The string of a view; `None` where it lies outside of the array's memory.
#[inline(always)]
fn string<'a>(view: &'a u128, buffers: &'a [Buffer]) -> Option<&'a [u8]> {
    let length = *view as u32 as usize;
    if length <= INLINE {
        return bytemuck::bytes_of(view).get(4..4 + length);
    }
    let ByteView { buffer_index, offset, .. } = ByteView::from(*view);
    buffers.get(buffer_index as usize)?.get(offset as usize..)?.get(..length)
}

/// Whether every string lies in the array's memory: an array may come from a file, and whoever has read it need not have looked.
fn check(piece: &ArrayRef) -> Result<(), String> {
    fn rising<O: OffsetSizeTrait>(values: &GenericStringArray<O>) -> Result<(), String> {
        let (offsets, bytes) = (values.value_offsets(), values.value_data().len());
        let sound = offsets.first().is_none_or(|&first| first >= O::usize_as(0))
            && offsets.is_sorted()
            && offsets.last().is_none_or(|last| last.as_usize() <= bytes);
        sound.then_some(()).ok_or_else(|| format!("offsets that do not rise from 0 to {bytes}"))
    }
    if let Some(dictionary) = piece.as_any_dictionary_opt() {
        let keys = dictionary.keys().to_data();
        // Keys are checked against the values by what the array is made of.
        piece.to_data().validate_values().map_err(|error| format!("{error} (keys of {})", keys.data_type()))?;
        return check(dictionary.values());
    }
    match piece.data_type() {
        DataType::Utf8 => rising(piece.as_string::<i32>()),
        DataType::LargeUtf8 => rising(piece.as_string::<i64>()),
        _ => {
            let values = piece.as_string_view();
            // Most strings lie in their view, and nothing of those needs a look.
            let outside = |view: &u128| *view as u32 as usize > INLINE && string(view, values.data_buffers()).is_none();
            match values.views().iter().position(outside) {
                Some(i) => Err(format!("string {i} lies outside of its buffers")),
                None => Ok(()),
            }
        }
    }
}

fn is_text(kind: &DataType) -> bool {
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => is_text(values) && !matches!(**values, DataType::Dictionary(..)),
        _ => false,
    }
}

/// The column of a table that has no other.
fn only_column(piece: ArrayRef) -> PyResult<ArrayRef> {
    let Some(table) = piece.as_struct_opt() else { return Ok(piece) };
    match table.columns() {
        [column] => Ok(column.clone()),
        columns => Err(PyTypeError::new_err(format!(
            "expected one column of words, found a table of {}: {}",
            columns.len(),
            table.column_names().join(", ")
        ))),
    }
}

#[allow(unsafe_code)]
fn stream(capsule: &Bound<'_, PyCapsule>) -> PyResult<Vec<ArrayRef>> {
    let stream = pointer(capsule, c"arrow_array_stream")?;
    // SAFETY: a capsule of this name holds a valid `ArrowArrayStream`, as the PyCapsule interface has it; that producers keep
    // to the interface is what anyone who shares memory with them relies on. The stream is moved out, and the capsule left
    // with a released one.
    let reader = unsafe { ArrayStreamReader::from_raw(stream.as_ptr()) }.map_err(refused)?;
    reader.map(|piece| piece.map_err(refused)).collect()
}

#[allow(unsafe_code)]
fn array_of(schema: &Bound<'_, PyCapsule>, array: &Bound<'_, PyCapsule>) -> PyResult<ArrayRef> {
    let schema: NonNull<FFI_ArrowSchema> = pointer(schema, c"arrow_schema")?;
    let array: NonNull<FFI_ArrowArray> = pointer(array, c"arrow_array")?;
    // SAFETY: capsules of these names hold a valid schema and array that belong together, as the PyCapsule interface has it.
    // The array is moved out; the schema stays the capsule's, which lives until the end of this call.
    let data = unsafe { from_ffi(FFI_ArrowArray::from_raw(array.as_ptr()), schema.as_ref()) };
    data.map(make_array).map_err(refused)
}

fn pointer<T>(capsule: &Bound<'_, PyCapsule>, name: &CStr) -> PyResult<NonNull<T>> {
    Ok(capsule.pointer_checked(Some(name))?.cast())
}

fn refused(error: ArrowError) -> PyErr {
    PyValueError::new_err(error.to_string())
}
