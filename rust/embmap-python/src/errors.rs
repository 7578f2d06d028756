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
    // An error that was wrapped on its way has lost its number, but not its kind.
    let code = source.raw_os_error().or(match source.kind() {
        io::ErrorKind::NotFound => Some(2),
        io::ErrorKind::PermissionDenied => Some(13),
        io::ErrorKind::NotADirectory => Some(20),
        io::ErrorKind::IsADirectory => Some(21),
        io::ErrorKind::StorageFull => Some(28),
        io::ErrorKind::ReadOnlyFilesystem => Some(30),
        io::ErrorKind::InvalidFilename => Some(36),
        _ => None,
    });
    // One that says more than its kind keeps what it says.
    let said = if source.get_ref().is_some() { source.to_string() } else { String::new() };
    let text = |code| if said.is_empty() { io::Error::from_raw_os_error(code).to_string() } else { said.clone() };
    match code.map(|code| (code, text(code))) {
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
