//! The model of a tokenizer whose tokens are a store's words, each numbered as its row: the store's index stands in for the
//! vocabulary that the tokenizer would make in memory.

use std::{borrow::Cow, fmt, path::Path};

use serde::{
    Deserialize, Serialize,
    de::{DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::{
    error::{Error, FormatError, Result},
    format::words::Words,
    store::Store,
    sys::regular::read_short,
};

/// Longer files are no tokenizers: the largest of today have some 50 MB.
const LONGEST_BYTES: u64 = 1 << 30;

/// How words become tokens, `WordLevel` or `WordPiece`.
#[derive(Debug, PartialEq)]
pub struct Model {
    /// How many of the store's words are tokens: the first ones.
    tokens: u32,
    unknown: u32,
    pieces: Option<WordPiece>,
}

/// A word is the longest token that it begins with, then the longest that what is left begins with, and so on.
#[derive(Debug, PartialEq)]
struct WordPiece {
    /// What stands before a token that begins no word.
    prefix: String,
    /// A word of more characters is unknown.
    longest: usize,
}

/// The parts of a `tokenizer.json` beside its model.
#[derive(Deserialize)]
struct Tokenizer<'j> {
    #[serde(borrow)]
    model: Description<'j>,
    #[serde(borrow, default)]
    normalizer: Option<&'j RawValue>,
    #[serde(borrow, default)]
    pre_tokenizer: Option<&'j RawValue>,
    #[serde(borrow, default)]
    added_tokens: Option<&'j RawValue>,
}

#[derive(Deserialize)]
struct Description<'j> {
    r#type: &'j str,
    #[serde(borrow)]
    unk_token: Cow<'j, str>,
    #[serde(borrow, default)]
    continuing_subword_prefix: Option<Cow<'j, str>>,
    #[serde(default)]
    max_input_chars_per_word: Option<usize>,
    #[serde(borrow)]
    vocab: &'j RawValue,
}

#[derive(Serialize)]
struct Rest<'j> {
    normalizer: Option<&'j RawValue>,
    pre_tokenizer: Option<&'j RawValue>,
    added_tokens: Option<&'j RawValue>,
}

impl Model {
    /// Reads a `tokenizer.json` and gives the rest of it, as JSON, too; `None` where its model is another kind, its tokens
    /// are not the first words of `store`, in order, or it is malformed.
    pub fn read<D: AsRef<[u8]>>(path: &Path, store: &Store<D>) -> Result<Option<(Model, String)>> {
        let json = read_short(path, LONGEST_BYTES).map_err(Error::io(path))?;
        Ok(json.and_then(|json| Model::of_json(std::str::from_utf8(&json).ok()?, store)))
    }

    fn of_json<D: AsRef<[u8]>>(json: &str, store: &Store<D>) -> Option<(Model, String)> {
        let Tokenizer { model, normalizer, pre_tokenizer, added_tokens } = serde_json::from_str(json).ok()?;
        let mut vocabulary = serde_json::Deserializer::from_str(model.vocab.get());
        let tokens = FirstOf(store.words()).deserialize(&mut vocabulary).ok()?;
        let unknown = store.index().find(model.unk_token.as_bytes()).ok()?.filter(|&row| row < tokens)?;
        let pieces = match model.r#type {
            "WordLevel" => None,
            "WordPiece" => Some(WordPiece {
                prefix: model.continuing_subword_prefix?.into_owned(),
                longest: model.max_input_chars_per_word?,
            }),
            _ => return None,
        };
        let rest = Rest { normalizer, pre_tokenizer, added_tokens };
        Some((Model { tokens, unknown, pieces }, serde_json::to_string(&rest).ok()?))
    }

    /// How many tokens there are.
    pub fn tokens(&self) -> u32 {
        self.tokens
    }

    /// The token of what has none.
    pub fn unknown(&self) -> u32 {
        self.unknown
    }

    /// Adds the tokens of a word to `ids`.
    pub fn cut<D: AsRef<[u8]>>(&self, store: &Store<D>, word: &str, ids: &mut Vec<i64>) -> Result<(), FormatError> {
        let before = ids.len();
        let known = match &self.pieces {
            None => self.find(store, word)?.map(|token| ids.push(token.into())).is_some(),
            Some(pieces) => word.chars().count() <= pieces.longest && self.cut_in_pieces(store, pieces, word, ids)?,
        };
        if !known {
            ids.truncate(before);
            ids.push(self.unknown.into());
        }
        Ok(())
    }

    /// Adds tokens from the front on, and says whether they make up the word.
    fn cut_in_pieces<D: AsRef<[u8]>>(
        &self,
        store: &Store<D>,
        pieces: &WordPiece,
        word: &str,
        ids: &mut Vec<i64>,
    ) -> Result<bool, FormatError> {
        let (mut left, mut text) = (word, word.to_owned());
        while !left.is_empty() {
            let front = text.len() - left.len();
            let mut ends = left.char_indices().rev().map(|(at, character)| at + character.len_utf8());
            let end = loop {
                let Some(end) = ends.next() else { return Ok(false) };
                if let Some(token) = self.find(store, &text[..front + end])? {
                    ids.push(token.into());
                    break end;
                }
            };
            left = &left[end..];
            text.clear();
            text.extend([&pieces.prefix, left]);
        }
        Ok(true)
    }

    fn find<D: AsRef<[u8]>>(&self, store: &Store<D>, token: &str) -> Result<Option<u32>, FormatError> {
        Ok(store.index().find(token.as_bytes())?.filter(|&row| row < self.tokens))
    }
}

/// How many tokens a vocabulary has, where they are the first words of a store, in order; an error where they are not.
struct FirstOf<'s>(Words<'s>);

#[derive(Deserialize)]
struct Token<'j>(#[serde(borrow)] Cow<'j, str>);

impl<'j> DeserializeSeed<'j> for FirstOf<'_> {
    type Value = u32;

    fn deserialize<V: Deserializer<'j>>(self, vocabulary: V) -> Result<u32, V::Error> {
        vocabulary.deserialize_map(self)
    }
}

impl<'j> Visitor<'j> for FirstOf<'_> {
    type Value = u32;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tokens and their numbers")
    }

    fn visit_map<M: MapAccess<'j>>(self, mut entries: M) -> Result<u32, M::Error> {
        let mut tokens = 0;
        while let Some((Token(token), id)) = entries.next_entry::<_, u32>()? {
            let row = tokens as usize;
            if id != tokens || row >= self.0.len() || self.0.get(row).ok() != Some(token.as_bytes()) {
                return Err(M::Error::custom("other tokens than the store's words"));
            }
            tokens += 1;
        }
        Ok(tokens)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::write::builder::{Builder, BuilderOptions};

    const WORDS: [&str; 8] = ["[UNK]", "un", "##a", "##ff", "##able", "##\u{e9}", "a\"b", "more"];

    fn store(folder: &Path) -> Store {
        let path = folder.join("v.embmap");
        let mut builder = Builder::create(&path, 1, BuilderOptions::default()).expect("a builder");
        builder.push(&WORDS.map(str::as_bytes), &[0.0; 8]).expect("rows");
        builder.finish(&mut || true).expect("a file");
        Store::open(&path).expect("a store")
    }

    /// A model whose tokens are all words but the last.
    fn model(kind: &str, more: &str) -> String {
        let vocab: Vec<String> = (0..).zip(&WORDS[..7]).map(|(id, word)| format!("{word:?}: {id}")).collect();
        format!(r#"{{"type": "{kind}", "unk_token": "[UNK]", {more} "vocab": {{{}}}}}"#, vocab.join(", "))
    }

    #[test]
    fn words_are_the_longest_tokens_from_the_front_on() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = store(folder.path());
        let word_piece = model("WordPiece", r###""continuing_subword_prefix": "##", "max_input_chars_per_word": 9,"###);
        let json = format!(r#"{{"normalizer": {{"type": "NFC"}}, "model": {word_piece}, "added_tokens": []}}"#);
        let path = folder.path().join("tokenizer.json");
        std::fs::write(&path, json).expect("a file");
        let (model_, rest) = Model::read(&path, &store).expect("a file").expect("a model");
        assert_eq!(rest, r#"{"normalizer":{"type": "NFC"},"pre_tokenizer":null,"added_tokens":[]}"#);
        let cut = |model: &Model, word| {
            let mut ids = vec![-1];
            model.cut(&store, word, &mut ids).expect("tokens");
            ids.split_off(1)
        };
        // The last has more than nine characters; `more` is no token, `a"b` is written with an escape.
        let words = ["unaffable", "una\u{e9}", "a\"b", "ff", "more", "unx", "", "unaffables"];
        let expected: [&[i64]; 8] = [&[1, 2, 3, 4], &[1, 2, 5], &[6], &[0], &[0], &[0], &[], &[0]];
        assert_eq!(words.map(|word| cut(&model_, word)), expected.map(<[i64]>::to_vec));

        let (level, _) = Model::of_json(&format!(r#"{{"model": {}}}"#, model("WordLevel", "")), &store).expect("one");
        assert_eq!(["un", "unaffable", "more"].map(|word| cut(&level, word)), [[1], [0], [0]]);
    }

    #[test]
    fn what_is_another_vocabulary_is_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = store(folder.path());
        let whole = format!(r#"{{"model": {}}}"#, model("WordLevel", ""));
        assert!(Model::of_json(&whole, &store).is_some());
        for (from, to) in [
            ("WordLevel", "BPE"),
            (r#""un": 1"#, r#""un": 2"#),
            (r#""un": 1"#, r#""um": 1"#),
            ("\"un\": 1, ", ""),
            ("\"unk_token\": \"[UNK]\"", "\"unk_token\": \"more\""),
            ("6}", r#"6, "more": 7, "most": 8}"#),
            ("6}", "6"),
            (r#"{"[UNK]": 0"#, r#"["[UNK]", 0"#),
        ] {
            let changed = whole.replacen(from, to, 1);
            assert_ne!(changed, whole);
            assert!(Model::of_json(&changed, &store).is_none(), "{changed}");
        }
        assert!(Model::read(folder.path(), &store).is_err());
    }
}
