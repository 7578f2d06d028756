//! The crate as one who uses it writes it: convert, open, find, gather, nearest, export, verify; and what goes wrong.

use std::{fs, path::Path};

use embmap::{
    Builder, BuilderOptions, Dtype, Duplicates, Error, ExportFormat, FormatError, OnBadRow, Options, Report,
    RowSelection, Separator, Store, Unit, convert,
};

const TEXT: &str = "king 0.9 0.8 0.1 0\nqueen 0.9 0.1 0.8 0\nman 0.4 0.9 0.1 0.2\nwoman 0.4 0.2 0.8 0.2\n";

fn made(folder: &Path, text: &str, options: &Options) -> embmap::Result<Report> {
    fs::write(folder.join("v.txt"), text).expect("room");
    convert(&folder.join("v.txt"), &folder.join("v.embmap"), options, &mut |_, _| true)
}

fn store(folder: &Path) -> Store {
    made(folder, TEXT, &Options::default()).expect("vectors");
    Store::open(folder.join("v.embmap")).expect("a store")
}

#[test]
fn from_a_text_to_answers() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = store(folder.path());
    assert_eq!((store.len(), store.dim()), (4, 4));
    let mut ids = [0; 3];
    store.find_all(&[b"woman", b"nobody", b"king"], -1, &mut ids).expect("an index");
    assert_eq!(ids, [3, -1, 0]);
    let mut rows = [0f32; 12];
    store.gather(&ids, &mut rows).expect("rows");
    assert_eq!(rows, [0.4, 0.2, 0.8, 0.2, 0.0, 0.0, 0.0, 0.0, 0.9, 0.8, 0.1, 0.0]);
    let (king, queen) = (&store.vectors().expect("float32")[..4], &store.vectors().expect("float32")[4..8]);
    let query: Vec<f32> = king.iter().zip(&rows[..4]).zip(&[0.4, 0.9, 0.1, 0.2]).map(|((k, w), m)| k + w - m).collect();
    let nearest = store.nearest(&query, 1, RowSelection::First(4), || true).expect("neighbours");
    assert_eq!(nearest[0][0].id, 1, "{queen:?}");
    assert_eq!(store.verify(|| true), Ok(true));
}

#[test]
fn what_is_exported_converts_back_to_the_same_rows() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = store(folder.path());
    for format in [ExportFormat::Glove, ExportFormat::Word2Vec, ExportFormat::FastTextVec, ExportFormat::Word2VecBinary]
    {
        let target = folder.path().join("exported");
        let report = store.export(&target, format, RowSelection::First(4), None, &mut |_, _| true).expect("room");
        assert_eq!(report.rows, 4);
        convert(&target, &folder.path().join("again.embmap"), &Options::default(), &mut |_, _| true).expect("vectors");
        let again = Store::open(folder.path().join("again.embmap")).expect("a store");
        assert_eq!(again.vectors().expect("float32"), store.vectors().expect("float32"), "{format:?}");
    }
}

#[test]
fn rows_that_the_caller_has() {
    let folder = tempfile::tempdir().expect("a folder");
    let target = folder.path().join("built.embmap");
    let options = BuilderOptions { dtype: Dtype::Int8, duplicates: Duplicates::First, ..BuilderOptions::default() };
    let mut builder = Builder::create(&target, 2, options).expect("room");
    builder.push(&[b"a", b"b", b"a"], &[1.0, 0.5, 0.25, 0.5, 9.0, 9.0]).expect("rows");
    let built = builder.finish(&mut || true).expect("room");
    assert_eq!((built.rows, built.duplicates), (2, 1));
    assert_eq!(Store::open(&target).expect("a store").header().dtype, Dtype::Int8);
}

#[test]
fn errors_say_where_and_leave_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let error = made(folder.path(), "a 1 2\nb 3\n c 1 2\n", &Options::default()).expect_err("a short row");
    let Error::Parse(error) = error else { panic!("{error:?}") };
    assert_eq!((error.line, error.byte_offset, error.unit), (2, 6, Unit::Line));
    assert!(!folder.path().join("v.embmap").exists());

    let skipping = Options { on_bad_row: OnBadRow::Skip, separator: Separator::Space, ..Options::default() };
    let report = made(folder.path(), "a 1 2\nb 3\nc 1 2\n", &skipping).expect("the other rows");
    assert_eq!((report.rows, report.rejected_rows.len()), (2, 1));

    fs::write(folder.path().join("v.txt"), TEXT).expect("room");
    let stopped =
        convert(&folder.path().join("v.txt"), &folder.path().join("o"), &Options::default(), &mut |_, _| false);
    assert!(matches!(stopped, Err(Error::Cancelled)));
    fs::write(folder.path().join("no.embmap"), TEXT).expect("room");
    let error = Store::open(folder.path().join("no.embmap")).expect_err("no store");
    assert!(matches!(error, Error::Format { source: FormatError::NotAStore(_), .. }), "{error}");
}

#[test]
fn errors_hold_what_was_expected_and_what_was_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = store(folder.path());
    let mut out = [0f32; 7];
    let error = store.gather(&[0, 1], &mut out).expect_err("no room");
    assert!(matches!(error, Error::Length { name: "out", expected: 8, found: 7 }), "{error}");
    let error = store.nearest(&out, 1, RowSelection::First(4), || true).expect_err("no query");
    assert!(matches!(error, Error::Length { name: "queries", expected: 8, found: 7 }), "{error}");
    let error = store.gather(&[0, 4], &mut [0f32; 8]).expect_err("four rows");
    assert!(matches!(error, Error::NoSuchRow { id: 4, position: 1, rows: 4 }), "{error}");

    let halves = folder.path().join("halves.embmap");
    let error = Builder::create(&halves, 0, BuilderOptions::default()).expect_err("no numbers");
    assert!(matches!(error, Error::OutOfRange { name: "dim", least: 1, found: 0, .. }), "{error}");
    let options = BuilderOptions { dtype: Dtype::Float16, ..BuilderOptions::default() };
    let mut builder = Builder::create(&halves, 2, options).expect("room");
    let error = builder.push(&[b"a", b"b"], &[1.0, 2.0]).expect_err("one row of two");
    assert!(matches!(error, Error::Length { name: "values", expected: 4, found: 2 }), "{error}");
    let error = builder.copy(&store, &[0]).expect_err("other rows");
    assert!(matches!(error, Error::DimMismatch { expected: 2, found: 4 }), "{error}");
    builder.push(&[b"a"], &[1.0, 2.0]).expect("a row");
    builder.finish(&mut || true).expect("room");
    let error = Store::open(&halves).map(|store| store.vectors().map(<[f32]>::len)).expect("a store");
    assert!(
        matches!(error, Err(Error::DtypeMismatch { expected: Dtype::Float32, found: Dtype::Float16 })),
        "{error:?}"
    );
}

#[test]
fn bytes_that_no_number_can_be_read_from_in_place() {
    let folder = tempfile::tempdir().expect("a folder");
    store(folder.path());
    let file = fs::read(folder.path().join("v.embmap")).expect("a file");
    let mut room = vec![0u64; file.len().div_ceil(8) + 1];
    let room: &mut [u8] = bytemuck::cast_slice_mut(&mut room);
    for shift in 0..=8 {
        let bytes = &mut room[shift..][..file.len()];
        bytes.copy_from_slice(&file);
        match Store::from_bytes(&*bytes) {
            Ok(store) => assert_eq!((shift % 8, store.vectors().expect("float32")[0]), (0, 0.9)),
            Err(error) => assert!(shift % 8 != 0 && error == FormatError::Misaligned { needed: 8 }, "{error}"),
        }
    }
}
