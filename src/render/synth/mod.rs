//! The built-in engine: a composer and a synthesiser that obey the plan. No weights, always there.
