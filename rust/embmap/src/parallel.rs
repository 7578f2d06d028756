//! Threads for one call: a scope each time, because a pool that outlives the call hangs in a forked child.

use std::{
    num::NonZero,
    sync::{Mutex, PoisonError},
    thread,
};

/// As many threads as this process may run at once, or as the caller asked for.
#[must_use]
pub fn threads(asked: Option<usize>) -> usize {
    asked.unwrap_or_else(|| thread::available_parallelism().map_or(1, NonZero::get)).max(1)
}

/// Calls `work` on equal runs of `inputs`, each with its `width` outputs an input and the position of its first input, on
/// threads that have about `least` inputs each or more. The first error in input order wins.
pub(crate) fn in_parts<A: Sync, B: Send, E: Send>(
    inputs: &[A],
    outputs: &mut [B],
    width: usize,
    least: usize,
    work: impl Fn(usize, &[A], &mut [B]) -> Result<(), E> + Sync,
) -> Result<(), E> {
    // Asking the system how many threads there are takes longer than a small request.
    let most = inputs.len() / least.max(1);
    let parts = if most <= 1 || width == 0 { 1 } else { threads(None).min(most) };
    if parts == 1 {
        return work(0, inputs, outputs);
    }
    let run = inputs.len().div_ceil(parts);
    thread::scope(|scope| {
        let mut pieces = inputs.chunks(run).zip(outputs.chunks_mut(run * width)).enumerate();
        let first = pieces.next();
        let work = &work;
        let others: Vec<_> = pieces.map(|(i, (a, b))| scope.spawn(move || work(i * run, a, b))).collect();
        join_all(first.map_or(Ok(()), |(_, (a, b))| work(0, a, b)), others)
    })
}

/// Calls `work` on blocks of `size` inputs, each with its `width` outputs an input, on whichever thread is free next: for work
/// that waits for memory, where a thread that is held up must not hold up the call.
pub(crate) fn in_blocks<A: Sync, B: Send>(
    inputs: &[A],
    outputs: &mut [B],
    width: usize,
    size: usize,
    work: impl Fn(&[A], &mut [B]) + Sync,
) {
    if inputs.len() <= size || width == 0 {
        return work(inputs, outputs);
    }
    let mut blocks: Vec<_> = inputs.chunks(size).zip(outputs.chunks_mut(size * width)).collect();
    let done: Result<(), std::convert::Infallible> = for_each(None, &mut blocks, |(inputs, outputs)| {
        work(inputs, outputs);
        Ok(())
    });
    let Ok(()) = done;
}

/// Calls `work` on each of `items`, whichever of so many threads is free next; any of the errors wins.
pub(crate) fn for_each<A: Send, E: Send>(
    asked: Option<usize>,
    items: &mut [A],
    work: impl Fn(&mut A) -> Result<(), E> + Sync,
) -> Result<(), E> {
    let workers = threads(asked).min(items.len());
    if workers <= 1 {
        return items.iter_mut().try_for_each(work);
    }
    let queue = Mutex::new(items.iter_mut());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    thread::scope(|scope| {
        let run = || std::iter::from_fn(next).try_for_each(&work);
        let others: Vec<_> = (1..workers).map(|_| scope.spawn(run)).collect();
        join_all(run(), others)
    })
}

/// Waits for all threads; the first error of `mine` and theirs, in order. A panic of theirs goes on in this thread.
pub(crate) fn join_all<E>(
    mine: Result<(), E>,
    others: Vec<thread::ScopedJoinHandle<'_, Result<(), E>>>,
) -> Result<(), E> {
    others.into_iter().fold(mine, |result, other| {
        let other = other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        result.and(other)
    })
}
