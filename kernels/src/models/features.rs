//! What a network's last layers before the answer see, and where in an image it speaks for a class.

use tch::Tensor;

/// Of a network that ends with means over all places and one dense layer.
pub struct Features {
    /// The last maps, `[n, height, width, channels]`.
    pub maps: Tensor,
    /// Their means over all places, `[n, channels]`.
    pub pooled: Tensor,
    /// The dense layer's weights, `[classes, channels]`.
    pub head: Tensor,
    /// Its biases, `[classes]`.
    pub bias: Tensor,
}

impl Features {
    /// How much each place speaks for each class, `[n, classes, height, width]`, at least 0: Grad-CAM of the last maps.
    ///
    /// Grad-CAM weighs each map by the mean over places of the gradient of the class's logit. Here that gradient is the same at every place,
    /// the dense layer's weight over the number of places, so that no gradient need be computed.
    ///
    /// Source: Selvaraju et al. 2017, eq. 1 and 2.
    pub fn grad_cam(&self) -> Tensor {
        let size = self.maps.size();
        let places = (size[1] * size[2]) as f64;
        let spoken = self.maps.matmul(&self.head.tr()) / places; // [n, height, width, classes]
        spoken.relu().permute([0, 3, 1, 2]).contiguous()
    }

    /// Logits `[n, classes]`.
    pub fn logits(&self) -> Tensor {
        self.pooled.linear(&self.head, Some(&self.bias))
    }
}
