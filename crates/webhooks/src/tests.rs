//! Tests of the whole: what is signed here or elsewhere is judged and read.

mod vectors;
