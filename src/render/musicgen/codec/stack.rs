//! The two networks, as stacks of layers that a signal goes through piece by piece.

use candle_core::{Error, Storage, Tensor};

use super::{
    config::Config,
    conv::{Conv, ConvShape},
    lstm::Lstm,
    memory::Walk,
    rows::{self, Rows},
    transposed::Transposed,
    weights::{self, Weights},
};
use crate::render::musicgen::lanes;

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
    Elu,
    Residual(Residual),
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

impl Stack {
    /// Samples `[n, 1]` to latents `[ceil(n / hop), hidden_size]`.
    pub(super) fn encoder<W: Weights>(config: &Config, weights: &W) -> Result<Self, W::Error> {
        let mut stack = Builder::new(config, weights, "encoder.layers");
        let mut width = config.num_filters;
        stack.conv(1, width, config.kernel_size, 1)?;
        for ratio in config.upsampling_ratios.iter().rev() {
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
        for ratio in &config.upsampling_ratios {
            stack.elu();
            stack.transposed(width, width / 2, *ratio)?;
            width /= 2;
            stack.residuals(width)?;
        }
        stack.elu();
        stack.conv(width, 1, config.last_kernel_size, 1)?;
        Ok(Self { layers: stack.layers })
    }

    /// Takes more of the signal and gives what can be known by now; all pieces together are what the whole
    /// signal would give at once. With `last` the signal ends, and nothing may be pushed after.
    pub(super) fn push(&mut self, rows: Rows, last: bool) -> Result<Rows, Error> {
        self.layers.iter_mut().try_fold(rows, |rows, layer| layer.push(rows, last))
    }

    /// Goes through what its layers remember.
    pub(super) fn walk(&mut self, walk: &mut dyn Walk) -> Result<(), Error> {
        self.layers.iter_mut().try_for_each(|layer| match layer {
            Layer::Conv(conv) => conv.walk(walk),
            Layer::Transposed(transposed) => transposed.walk(walk),
            Layer::Lstm(lstm) => lstm.walk(walk),
            Layer::Elu => Ok(()),
            Layer::Residual(residual) => residual.walk(walk),
        })
    }
}

impl Layer {
    fn push(&mut self, rows: Rows, last: bool) -> Result<Rows, Error> {
        match self {
            Self::Conv(conv) => conv.push(rows, last),
            Self::Transposed(transposed) => transposed.push(rows, last),
            Self::Lstm(lstm) => rows.map(|rows| lstm.push(&rows)).transpose(),
            Self::Elu => rows.map(|rows| elu(&rows)).transpose(),
            Self::Residual(residual) => residual.push(rows, last),
        }
    }
}

/// `x`, or `e^x - 1` below 0.
fn elu(rows: &Tensor) -> Result<Tensor, Error> {
    if !(rows.device().is_cpu() && rows.is_contiguous()) {
        return rows.elu(1.0);
    }
    let (storage, layout) = rows.storage_and_layout();
    let Storage::Cpu(values) = &*storage else { return rows.elu(1.0) };
    let values = &values.as_slice::<f32>()?[layout.start_offset()..][..rows.elem_count()];
    let activated: Vec<f32> = lanes::widest(
        #[inline(always)]
        || values.iter().map(|x| if *x < 0.0 { lanes::exp_m1(*x) } else { *x }).collect(),
    );
    Tensor::from_vec(activated, rows.shape(), rows.device())
}

impl Residual {
    fn push(&mut self, rows: Rows, last: bool) -> Result<Rows, Error> {
        let branch = self.branch.push(rows.clone(), last)?;
        let straight = match &mut self.shortcut {
            Some(conv) => conv.push(rows, last)?,
            None => rows,
        };
        let straight = rows::join(self.waiting.take(), straight)?;
        let (Some(branch), Some(straight)) = (branch, &straight) else {
            self.waiting = straight;
            return Ok(None);
        };
        let count = branch.dim(0)?;
        self.waiting = rows::rest(straight, count)?;
        (straight.narrow(0, 0, count)? + branch).map(Some)
    }

    fn walk(&mut self, walk: &mut dyn Walk) -> Result<(), Error> {
        self.branch.walk(walk)?;
        if let Some(conv) = &mut self.shortcut {
            conv.walk(walk)?;
        }
        walk.rows(&mut self.waiting)
    }
}

/// Builds a stack whose layers are named by their number, activations counted.
struct Builder<'a, W> {
    config: &'a Config,
    weights: &'a W,
    path: String,
    layers: Vec<Layer>,
}

impl<'a, W: Weights> Builder<'a, W> {
    fn new(config: &'a Config, weights: &'a W, path: &str) -> Self {
        Self { config, weights, path: path.to_owned(), layers: Vec::new() }
    }

    /// Where the weights of the next layer are.
    fn next(&self) -> String {
        format!("{}.{}", self.path, self.layers.len())
    }

    fn elu(&mut self) {
        self.layers.push(Layer::Elu);
    }

    fn lstm(&mut self, width: usize) -> Result<(), W::Error> {
        let path = format!("{}.lstm", self.next());
        let lstm = Lstm::load(self.weights, &path, width, self.config.num_lstm_layers)?;
        self.layers.push(Layer::Lstm(lstm));
        Ok(())
    }

    fn conv(&mut self, ins: usize, outs: usize, kernel: usize, stride: usize) -> Result<(), W::Error> {
        let conv = self.load(&self.next(), ConvShape { ins, outs, kernel, stride, dilation: 1 })?;
        self.layers.push(Layer::Conv(conv));
        Ok(())
    }

    fn transposed(&mut self, ins: usize, outs: usize, stride: usize) -> Result<(), W::Error> {
        let path = format!("{}.conv", self.next());
        let weight = weights::normed(self.weights, &path, [ins, outs, 2 * stride])?;
        let bias = self.weights.get(&format!("{path}.bias"), &[outs])?;
        self.layers.push(Layer::Transposed(Transposed::new(self.config, stride, &weight, &bias)?));
        Ok(())
    }

    /// Residual units, each wider in time than the one before.
    fn residuals(&mut self, width: usize) -> Result<(), W::Error> {
        let narrow = width / self.config.compress;
        let kernel = self.config.residual_kernel_size;
        let mut dilation = 1;
        for _ in 0..self.config.num_residual_layers {
            let path = self.next();
            let spread = ConvShape { ins: width, outs: narrow, kernel, stride: 1, dilation };
            let back = ConvShape { ins: narrow, outs: width, kernel: 1, stride: 1, dilation: 1 };
            let across = ConvShape { ins: width, ..back };
            let branch = vec![
                Layer::Elu,
                Layer::Conv(self.load(&format!("{path}.block.1"), spread)?),
                Layer::Elu,
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
        Ok(Conv::new(self.config, shape, &weight, bias)?)
    }
}
