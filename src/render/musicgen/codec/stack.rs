//! The two networks, as stacks of layers that a signal goes through piece by piece.

use std::mem;

use candle_core::{Error, Tensor};

use super::{
    config::Config,
    conv::{Conv, ConvShape},
    lstm::Lstm,
    memory::Walk,
    rows::{self, Rows},
    transposed::Transposed,
    values::{self, Activation},
    weights::{self, Weights},
};

/// A network and where it is in a signal. A clone of one that has seen nothing starts a new signal; the
/// weights are shared.
#[derive(Clone, Debug)]
pub(super) struct Stack {
    layers: Vec<Layer>,
}

#[derive(Clone, Debug)]
enum Layer {
    Conv(Conv),
    Transposed(Transposed),
    Lstm(Lstm),
    Residual(Residual),
    Pieces(Pieces),
}

/// `shortcut(x) + branch(x)`.
#[derive(Clone, Debug)]
struct Residual {
    branch: Stack,
    /// `None` is the identity.
    shortcut: Option<Conv>,
    /// What the branch has not given its part for yet.
    waiting: Rows,
}

/// Layers that take what comes in pieces on the processor, so that it stays near while they work on it. They are those
/// with many rows and few weights.
#[derive(Clone, Debug)]
struct Pieces {
    stack: Stack,
    /// Rows of a piece.
    rows: usize,
}

/// Values of the widest signal in a piece.
const VALUES_AT_ONCE: usize = 1 << 18;

impl Stack {
    /// Samples `[n, 1]` to latents `[ceil(n / hop), hidden_size]`.
    pub(super) fn encoder<W: Weights>(config: &Config, weights: &W) -> Result<Self, W::Error> {
        let mut stack = Builder::new(config, weights, "encoder.layers");
        let mut width = config.num_filters;
        stack.conv(1, width, config.kernel_size, 1)?;
        let (near, far) = halves(&config.upsampling_ratios);
        let rows = VALUES_AT_ONCE / width;
        for (level, ratio) in far.iter().rev().chain(near.iter().rev()).enumerate() {
            if level == far.len() {
                stack.in_pieces(0, rows);
            }
            stack.residuals(width)?;
            stack.elu();
            stack.conv(width, 2 * width, 2 * ratio, *ratio)?;
            width *= 2;
        }
        stack.lstm(width)?;
        stack.elu();
        stack.conv(width, config.hidden_size, config.last_kernel_size, 1)?;
        Ok(Self { layers: stack.layers })
    }

    /// Latents `[n, hidden_size]` to samples `[n * hop, 1]`.
    pub(super) fn decoder<W: Weights>(config: &Config, weights: &W) -> Result<Self, W::Error> {
        let mut stack = Builder::new(config, weights, "decoder.layers");
        let mut width = config.num_filters << config.upsampling_ratios.len();
        stack.conv(config.hidden_size, width, config.kernel_size, 1)?;
        stack.lstm(width)?;
        let (near, far) = halves(&config.upsampling_ratios);
        let mut pieces = None;
        for (level, ratio) in near.iter().chain(far).enumerate() {
            if level == near.len() {
                pieces = Some(stack.layers.len());
            }
            stack.elu();
            stack.transposed(width, width / 2, *ratio)?;
            width /= 2;
            stack.residuals(width)?;
        }
        stack.elu();
        stack.conv(width, 1, config.last_kernel_size, 1)?;
        if let Some(from) = pieces {
            stack.in_pieces(from, VALUES_AT_ONCE / (width * far.iter().product::<usize>()));
        }
        Ok(Self { layers: stack.layers })
    }

    /// Takes more of the signal and gives what can be known by now; all pieces together are what the whole
    /// signal would give at once. With `last` the signal ends, and nothing may be pushed after.
    pub(super) fn push(&mut self, rows: Rows, last: bool) -> Result<Rows, Error> {
        let on_processor = rows.as_ref().is_some_and(|rows| rows.device().is_cpu());
        let push = || self.layers.iter_mut().try_fold(rows, |rows, layer| layer.push(rows, last));
        // Inside of the pool layers share their work at little cost.
        if on_processor { rayon::scope(|_| push()) } else { push() }
    }

    /// Goes through what its layers remember.
    pub(super) fn walk(&mut self, walk: &mut dyn Walk) -> Result<(), Error> {
        self.layers.iter_mut().try_for_each(|layer| match layer {
            Layer::Conv(conv) => conv.walk(walk),
            Layer::Transposed(transposed) => transposed.walk(walk),
            Layer::Lstm(lstm) => lstm.walk(walk),
            Layer::Residual(residual) => residual.walk(walk),
            Layer::Pieces(pieces) => pieces.stack.walk(walk),
        })
    }
}

impl Layer {
    fn push(&mut self, rows: Rows, last: bool) -> Result<Rows, Error> {
        match self {
            Self::Conv(conv) => conv.push(rows, last),
            Self::Transposed(transposed) => transposed.push(rows, last),
            Self::Lstm(lstm) => rows.map(|rows| lstm.push(&rows)).transpose(),
            Self::Residual(residual) => residual.push(rows, last),
            Self::Pieces(pieces) => pieces.push(rows, last),
        }
    }
}

impl Residual {
    fn push(&mut self, rows: Rows, last: bool) -> Result<Rows, Error> {
        let branch = self.branch.push(rows.clone(), last)?;
        let straight = match &mut self.shortcut {
            Some(conv) => conv.push(rows, last)?,
            None => rows,
        };
        let straight = rows::join(self.waiting.take(), straight, Activation::Identity)?;
        let (Some(branch), Some(straight)) = (branch, &straight) else {
            self.waiting = straight;
            return Ok(None);
        };
        let count = branch.dim(0)?;
        self.waiting = rows::rest(straight, count)?;
        let straight = straight.narrow(0, 0, count)?;
        if branch.device().is_cpu() { values::sum(&straight, &branch) } else { straight + branch }.map(Some)
    }

    fn walk(&mut self, walk: &mut dyn Walk) -> Result<(), Error> {
        self.branch.walk(walk)?;
        if let Some(conv) = &mut self.shortcut {
            conv.walk(walk)?;
        }
        walk.rows(&mut self.waiting)
    }
}

impl Pieces {
    fn push(&mut self, rows: Rows, last: bool) -> Result<Rows, Error> {
        let rows = match rows {
            Some(rows) if rows.device().is_cpu() => rows,
            rows => return self.stack.push(rows, last),
        };
        let count = rows.dim(0)?;
        let mut given = Vec::new();
        for from in (0..count).step_by(self.rows) {
            let piece = rows.narrow(0, from, self.rows.min(count - from))?;
            given.extend(self.stack.push(Some(piece), last && from + self.rows >= count)?);
        }
        if given.is_empty() { Ok(None) } else { Tensor::cat(&given, 0).map(Some) }
    }
}

/// Builds a stack whose layers are named by their number, activations counted.
struct Builder<'a, W> {
    config: &'a Config,
    weights: &'a W,
    path: String,
    layers: Vec<Layer>,
    /// Of the next layer.
    number: usize,
    activation: Activation,
}

impl<'a, W: Weights> Builder<'a, W> {
    fn new(config: &'a Config, weights: &'a W, path: &str) -> Self {
        Self {
            config,
            weights,
            path: path.to_owned(),
            layers: Vec::new(),
            number: 0,
            activation: Activation::Identity,
        }
    }

    /// Where the weights of the next layer are, which is one of those that have some.
    fn next(&mut self) -> String {
        let next = format!("{}.{}", self.path, self.number);
        self.number += 1;
        next
    }

    fn elu(&mut self) {
        self.activation = Activation::Elu;
        self.number += 1;
    }

    /// Makes the layers from this one on work in pieces.
    fn in_pieces(&mut self, from: usize, rows: usize) {
        let stack = Stack { layers: self.layers.split_off(from) };
        self.layers.push(Layer::Pieces(Pieces { stack, rows: rows.max(1) }));
    }

    fn lstm(&mut self, width: usize) -> Result<(), W::Error> {
        let path = format!("{}.lstm", self.next());
        let lstm = Lstm::load(self.weights, &path, width, self.config.num_lstm_layers)?;
        self.layers.push(Layer::Lstm(lstm));
        Ok(())
    }

    fn conv(&mut self, ins: usize, outs: usize, kernel: usize, stride: usize) -> Result<(), W::Error> {
        let activation = mem::take(&mut self.activation);
        let path = self.next();
        let conv = self.load(&path, ConvShape { ins, outs, kernel, stride, dilation: 1, activation })?;
        self.layers.push(Layer::Conv(conv));
        Ok(())
    }

    fn transposed(&mut self, ins: usize, outs: usize, stride: usize) -> Result<(), W::Error> {
        let path = format!("{}.conv", self.next());
        let weight = weights::normed(self.weights, &path, [ins, outs, 2 * stride])?;
        let bias = self.weights.get(&format!("{path}.bias"), &[outs])?;
        let activation = mem::take(&mut self.activation);
        let transposed = Transposed::new(self.config, stride, activation, &weight, &bias)?;
        self.layers.push(Layer::Transposed(transposed));
        Ok(())
    }

    /// Residual units, each wider in time than the one before.
    fn residuals(&mut self, width: usize) -> Result<(), W::Error> {
        let narrow = width / self.config.compress;
        let kernel = self.config.residual_kernel_size;
        let activation = Activation::Elu;
        let mut dilation = 1;
        for _ in 0..self.config.num_residual_layers {
            let path = self.next();
            let spread = ConvShape { ins: width, outs: narrow, kernel, stride: 1, dilation, activation };
            let back = ConvShape { ins: narrow, outs: width, kernel: 1, dilation: 1, ..spread };
            let across = ConvShape { ins: width, activation: Activation::Identity, ..back };
            let branch = vec![
                Layer::Conv(self.load(&format!("{path}.block.1"), spread)?),
                Layer::Conv(self.load(&format!("{path}.block.3"), back)?),
            ];
            let shortcut =
                self.config.use_conv_shortcut.then(|| self.load(&format!("{path}.shortcut"), across));
            let shortcut = shortcut.transpose()?;
            self.layers.push(Layer::Residual(Residual {
                branch: Stack { layers: branch },
                shortcut,
                waiting: None,
            }));
            dilation *= self.config.dilation_growth_rate;
        }
        Ok(())
    }

    fn load(&self, path: &str, shape: ConvShape) -> Result<Conv, W::Error> {
        let path = format!("{path}.conv");
        let weight: Tensor = weights::normed(self.weights, &path, [shape.outs, shape.ins, shape.kernel])?;
        let bias = self.weights.get(&format!("{path}.bias"), &[shape.outs])?;
        Ok(Conv::new(self.config, shape, &weight, &bias)?)
    }
}

/// The first half of the levels, which have most weights, and those with most rows.
fn halves(levels: &[usize]) -> (&[usize], &[usize]) {
    levels.split_at(levels.len() / 2)
}
