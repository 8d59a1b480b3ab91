//! Everything that is tested from outside the library, in one binary so that it is linked once.

mod http;
