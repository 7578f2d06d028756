//! What a tokenizer needs not be asked for twice, or at all: the pieces that it has cut, and the numbers of its tokens.

pub mod model;
pub mod pieces;
