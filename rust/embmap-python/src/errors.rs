//! The crate's errors as Python's exceptions, which `embmap._errors` defines.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use embmap::Error;
use pyo3::{
    exceptions::{PyIndexError, PyMemoryError, PyOSError, PyRuntimeError, PyValueError},
    prelude::*,
    sync::PyOnceLock,
    types::PyType,
};

static PARSE_ERROR: PyOnceLock<Py<PyType>> = PyOnceLock::new();
static FORMAT_ERROR: PyOnceLock<Py<PyType>> = PyOnceLock::new();

/// The exception for `error`.
pub(crate) fn raise(py: Python<'_>, error: Error) -> PyErr {
    match error {
        Error::Io { path, source } => os_error(&path, &source),
        Error::Parse(error) => {
            let arguments = (
                error.path.to_string_lossy().into_owned(),
                error.line,
                error.byte_offset,
                error.reason,
                error.unit.name(),
            );
            exception(py, &PARSE_ERROR, "ParseError", arguments)
        }
        Error::Format { .. } => exception(py, &FORMAT_ERROR, "FormatError", (error.to_string(),)),
        Error::NoSuchRow { .. } => PyIndexError::new_err(error.to_string()),
        Error::NoMemory { .. } => PyMemoryError::new_err(error.to_string()),
        Error::NoThread(source) => PyOSError::new_err((
            source.raw_os_error().unwrap_or(11),
            "no thread can be started: the system's limit is reached (ulimit -u, a container's pids limit), or there is no memory left",
        )),
        _ => PyValueError::new_err(error.to_string()),
    }
}

/// The exception for a store that contradicts itself.
pub(crate) fn raise_format(py: Python<'_>, path: &Path, source: embmap::FormatError) -> PyErr {
    raise(py, Error::Format { path: path.to_path_buf(), source })
}

/// `OSError` or the subclass that Python chooses by the number, with the file's name.
pub(crate) fn os_error(path: &Path, source: &io::Error) -> PyErr {
    let path = path.to_string_lossy().into_owned();
    // An error that was wrapped on its way has lost its number, but not its kind. The numbers are C's, not Windows' own.
    let of_kind = match source.kind() {
        io::ErrorKind::NotFound => Some((2, "No such file or directory")),
        io::ErrorKind::PermissionDenied => Some((13, "Permission denied")),
        io::ErrorKind::NotADirectory => Some((20, "Not a directory")),
        io::ErrorKind::IsADirectory => Some((21, "Is a directory")),
        io::ErrorKind::StorageFull => Some((28, "No space left on device")),
        io::ErrorKind::ReadOnlyFilesystem => Some((30, "Read-only file system")),
        io::ErrorKind::InvalidFilename => Some((if cfg!(target_os = "macos") { 63 } else { 36 }, "File name too long")),
        _ => None,
    };
    let (code, text) = match source.raw_os_error() {
        Some(code) => (Some(code), source.to_string()),
        // One that says more than its kind keeps what it says.
        None if source.get_ref().is_some() => (of_kind.map(|(code, _)| code), source.to_string()),
        None => (of_kind.map(|(code, _)| code), of_kind.map_or_else(String::new, |(_, text)| text.into())),
    };
    match code.map(|code| (code, text)) {
        Some((code, text)) => {
            let text = text.split(" (os error").next().unwrap_or_default().to_string();
            // Windows' numbers are others, from which Python makes its own.
            match source.raw_os_error() {
                Some(code) if cfg!(windows) => PyOSError::new_err((0, text, path, code)),
                _ => PyOSError::new_err((code, text, path)),
            }
        }
        None => PyOSError::new_err(format!("{path}: {source}")),
    }
}

/// Runs `work` without the GIL, as [`caught`] does.
pub(crate) fn detached<T: Send>(py: Python<'_>, work: impl FnOnce() -> T + Send) -> PyResult<T> {
    py.detach(|| caught(work))
}

/// Runs `work`. A panic, which is a fault of embmap's own, is a RuntimeError: Python's `except Exception` is to catch it.
pub(crate) fn caught<T>(work: impl FnOnce() -> T) -> PyResult<T> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
        PyRuntimeError::new_err(format!(
            "embmap failed where it should not: {}; please report it",
            said.unwrap_or("a panic")
        ))
    })
}

fn exception<'py>(
    py: Python<'py>,
    cell: &PyOnceLock<Py<PyType>>,
    name: &str,
    arguments: impl IntoPyObject<'py> + pyo3::PyErrArguments + 'static,
) -> PyErr {
    match cell.import(py, "embmap._errors", name) {
        Ok(class) => PyErr::from_type(class.clone(), arguments),
        Err(error) => error,
    }
}
