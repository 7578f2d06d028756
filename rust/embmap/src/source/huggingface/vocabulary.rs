//! The tokens of a model, each with the row that it has in the embedding matrix.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;

use super::{
    folder::Tokens,
    json::{self, Json},
};
use crate::error::Result;

/// Tokens by id, as they are written: `##ing`, `Ġthe`, `▁the`.
pub(super) struct Vocabulary {
    /// Sorted by id, no id twice.
    tokens: Vec<(u64, Vec<u8>)>,
    /// Ids of the vocabulary itself end here: an added token may have no row, one of these must.
    own: u64,
}

#[derive(Deserialize)]
struct Tokenizer<'j> {
    #[serde(default)]
    added_tokens: Vec<AddedToken>,
    #[serde(borrow)]
    model: Model<'j>,
}

#[derive(Deserialize)]
struct AddedToken {
    id: u64,
    content: String,
}

#[derive(Deserialize)]
struct Model<'j> {
    /// Token -> id, or, in Unigram, a list of tokens and scores. Merges are passed over.
    #[serde(borrow)]
    vocab: &'j RawValue,
}

type Ids = BTreeMap<String, u64>;

impl Vocabulary {
    /// Reads the vocabulary.
    pub(super) fn read(tokens: &Tokens) -> Result<Vocabulary> {
        match tokens {
            Tokens::Tokenizer(path) => {
                let json = Json::read(path)?;
                let Tokenizer { added_tokens, model } = json.parse()?;
                let vocab = model.vocab.get();
                let own = if vocab.starts_with('[') {
                    let list: Vec<(String, IgnoredAny)> = json.parse_part(vocab)?;
                    (0..).zip(list.into_iter().map(|(token, _)| token.into_bytes())).collect()
                } else {
                    by_id(json.parse_part::<Ids>(vocab)?)
                };
                let added = added_tokens.into_iter().map(|token| (token.id, token.content.into_bytes())).collect();
                Vocabulary::join(own, added).map_err(|reason| json.refuse(vocab, 0, reason))
            }
            Tokens::Lines(path, added) => {
                let text = json::read(path)?;
                let lines = text.strip_suffix(b"\n").unwrap_or(&text);
                let lines = lines.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
                let own = (0..).zip(lines.map(<[u8]>::to_vec)).collect();
                Vocabulary::join(own, read_added(added.as_deref())?)
                    .map_err(|reason| json::refuse(path, &text, 0, reason))
            }
            Tokens::Ids(path, added) => {
                let json = Json::read(path)?;
                let own = by_id(json.parse::<Ids>()?);
                Vocabulary::join(own, read_added(added.as_deref())?).map_err(|reason| json.refuse("", 0, reason))
            }
        }
    }

    /// An added token has its id for itself, and no other id, whatever the vocabulary says.
    fn join(mut tokens: Vec<(u64, Vec<u8>)>, added: Vec<(u64, Vec<u8>)>) -> Result<Vocabulary, String> {
        let ids: HashSet<u64> = added.iter().map(|(id, _)| *id).collect();
        let names: HashSet<&[u8]> = added.iter().map(|(_, token)| token.as_slice()).collect();
        // No word of a store is empty, and a blank line at the end of vocab.txt is no token.
        tokens.retain(|(_, token)| !token.is_empty());
        let own = tokens.iter().map(|(id, _)| id.saturating_add(1)).max().unwrap_or(0);
        tokens.retain(|(id, token)| !ids.contains(id) && !names.contains(token.as_slice()));
        drop(names);
        tokens.extend(added.into_iter().filter(|(_, token)| !token.is_empty()));
        tokens.sort();
        tokens.dedup();
        if let Some(pair) = tokens.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            let [(id, first), (_, second)] = [&pair[0], &pair[1]];
            let [first, second] = [first, second].map(|token| String::from_utf8_lossy(token));
            return Err(format!("{first:?} and {second:?} have the same id, {id}"));
        }
        Ok(Vocabulary { tokens, own })
    }

    /// How many rows a matrix must have at least to be this vocabulary's.
    pub(super) fn own(&self) -> u64 {
        self.own
    }

    /// The tokens whose ids are at least `first`, in order.
    pub(super) fn from(&self, first: u64) -> &[(u64, Vec<u8>)] {
        &self.tokens[self.tokens.partition_point(|(id, _)| *id < first)..]
    }
}

fn by_id(ids: Ids) -> Vec<(u64, Vec<u8>)> {
    ids.into_iter().map(|(token, id)| (id, token.into_bytes())).collect()
}

fn read_added(path: Option<&std::path::Path>) -> Result<Vec<(u64, Vec<u8>)>> {
    path.map_or(Ok(Vec::new()), |path| Ok(by_id(Json::read(path)?.parse::<Ids>()?)))
}
