//! A call that takes long: Ctrl-C is answered and progress told while the GIL is released.

use pyo3::prelude::*;

use crate::errors::detached;

/// Runs `work`, which asks now and then with what is done and what there is whether to go on; what Python raised meanwhile comes
/// first.
pub(crate) fn ticking<T, E>(
    py: Python<'_>,
    progress: Option<Py<PyAny>>,
    raise: impl FnOnce(Python<'_>, E) -> PyErr,
    work: impl FnOnce(&mut dyn FnMut(u64, u64) -> bool) -> Result<T, E> + Send,
) -> PyResult<T>
where
    T: Send,
    E: Send,
{
    let mut raised = None;
    let mut tick = |done, total| {
        if raised.is_some() {
            return false;
        }
        let seen = Python::attach(|py| -> PyResult<()> {
            py.check_signals()?;
            if let Some(progress) = &progress {
                progress.call1(py, (done, total))?;
            }
            Ok(())
        });
        raised = seen.err();
        raised.is_none()
    };
    let result = detached(py, || work(&mut tick))?;
    match raised {
        Some(raised) => Err(raised),
        None => result.map_err(|error| raise(py, error)),
    }
}
