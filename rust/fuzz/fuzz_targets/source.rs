//! Any bytes as a source of any kind that the crate reads: a conversion ends in a store that is whole, or in an error, never in a
//! panic.
//!
//! The first two bytes of an input choose the kind and the options. Of a model's folder the next two are the length of its
//! `tokenizer.json`, which comes before its `model.safetensors`.

#![no_main]

use std::{fs, path::PathBuf, sync::LazyLock};

use embmap::{Dtype, Format, OnBadRow, Options, Separator, Store, Utf8Errors, WrongCount, convert};
use libfuzzer_sys::fuzz_target;

/// Where sources and stores lie; a file system in memory makes it fast.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("embmap-fuzz-{}", std::process::id()));
    fs::create_dir_all(folder.join("model")).expect("a folder");
    folder
});

fuzz_target!(|input: &[u8]| {
    let Some((&[kind, how], content)) = input.split_first_chunk::<2>() else { return };
    let (_, format) = Format::ALL[kind as usize % Format::ALL.len()];
    let source = if format == Format::HuggingFace {
        let Some((&length, rest)) = content.split_first_chunk::<2>() else { return };
        let at = usize::from(u16::from_le_bytes(length)).min(rest.len());
        let folder = FOLDER.join("model");
        fs::write(folder.join("tokenizer.json"), &rest[..at]).expect("a file");
        fs::write(folder.join("model.safetensors"), &rest[at..]).expect("a file");
        folder
    } else {
        let file = FOLDER.join("source");
        fs::write(&file, content).expect("a file");
        file
    };
    let bit = |i: u8| how >> i & 1 == 1;
    let options = Options {
        format,
        header: [None, Some(true), Some(false)][kind as usize / 5 % 3],
        separator: Separator::ALL[kind as usize / 15 % Separator::ALL.len()].1,
        errors: if bit(0) { Utf8Errors::BackslashReplace } else { Utf8Errors::Strict },
        on_bad_row: if bit(1) { OnBadRow::Skip } else { OnBadRow::Error },
        on_wrong_count: if bit(2) { WrongCount::Ignore } else { WrongCount::Error },
        dtype: if bit(3) { Dtype::Int8 } else { Dtype::Float32 },
        normalize: bit(4),
        threads: Some(1 + usize::from(bit(5))),
        block_bytes: 1 << (4 + 4 * (how >> 6)),
        ..Options::default()
    };
    let target = FOLDER.join("target");
    let Ok(report) = convert(&source, &target, &options, &mut |_, _| true) else { return };
    let store = Store::open(&target).expect("a store");
    assert_eq!(store.len() as u64, report.rows);
    assert_eq!(store.verify(|| true), Ok(true));
});
