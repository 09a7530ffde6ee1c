// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "tessera",
    platforms: [.macOS(.v15), .iOS(.v18)],
    products: [
        .executable(name: "tessera", targets: ["tessera"]),
        .library(name: "StructuredMatrices", targets: ["Tensors", "LinearAlgebra", "StructuredMatrices", "Fitting"]),
        .library(name: "Transformers", targets: ["ModelFiles", "Transformers"]),
        .library(name: "Compression", targets: ["Compression", "Analysis"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    ],
    targets: [
        .target(name: "CKernels"),
        .systemLibrary(
            name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .target(name: "Communication"),
        .target(name: "Tensors", dependencies: ["CKernels"]),
        .target(
            name: "LinearAlgebra",
            dependencies: ["Tensors", .target(name: "COpenBLAS", condition: .when(platforms: [.linux]))]),
        .target(
            name: "ModelFiles",
            dependencies: ["CZlib", "Tensors", .product(name: "OrderedCollections", package: "swift-collections")]),
        .target(name: "StructuredMatrices", dependencies: ["CKernels", "LinearAlgebra", "Tensors"]),
        .target(name: "Fitting", dependencies: ["LinearAlgebra", "StructuredMatrices", "Tensors"]),
        .target(
            name: "Transformers",
            dependencies: ["CKernels", "ModelFiles", "StructuredMatrices", "Tensors"]),
        .target(name: "Gradients", dependencies: ["LinearAlgebra", "Tensors"]),
        .target(name: "Rewriting", dependencies: ["LinearAlgebra", "Tensors"]),
        .target(name: "Analysis", dependencies: ["LinearAlgebra", "ModelFiles", "StructuredMatrices", "Transformers"]),
        .target(
            name: "Compression",
            dependencies: [
                "Analysis", "Benchmarking", "Communication", "Fitting", "Gradients", "LinearAlgebra", "ModelFiles",
                "Rewriting", "StructuredMatrices", "Tensors", "Transformers",
                .product(name: "Logging", package: "swift-log"), .product(name: "Yams", package: "Yams"),
            ],
            resources: [.embedInCode("Recipes/Shipped")]),
        .target(
            name: "Benchmarking",
            dependencies: ["CKernels", "LinearAlgebra", "ModelFiles", "StructuredMatrices", "Tensors"]),
        .executableTarget(
            name: "tessera",
            dependencies: [
                "Analysis", "Benchmarking", "Communication", "Compression", "Fitting", "ModelFiles", "Rewriting", "StructuredMatrices", "Transformers",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ]),
        .testTarget(name: "CKernelsTests", dependencies: ["CKernels", "Tensors"]),
        .testTarget(name: "TensorsTests", dependencies: ["Tensors"]),
        .testTarget(name: "LinearAlgebraTests", dependencies: ["LinearAlgebra"]),
        .testTarget(
            name: "ModelFilesTests", dependencies: ["ModelFiles"], resources: [.copy("Resources")]),
        .testTarget(name: "StructuredMatricesTests", dependencies: ["StructuredMatrices"]),
        .testTarget(name: "FittingTests", dependencies: ["Fitting", "ModelFiles"]),
        .testTarget(
            name: "TransformersTests", dependencies: ["Transformers"], resources: [.copy("Resources")]),
        .testTarget(name: "GradientsTests", dependencies: ["Gradients", "Tensors"]),
        .testTarget(name: "RewritingTests", dependencies: ["LinearAlgebra", "Rewriting", "Tensors"]),
        .testTarget(name: "AnalysisTests", dependencies: ["Analysis"]),
        .testTarget(
            name: "BenchmarkingTests",
            dependencies: ["Benchmarking", "CKernels", "ModelFiles", "StructuredMatrices", "Tensors", "Transformers"]),
        .testTarget(name: "CompressionTests", dependencies: ["Benchmarking", "Communication", "Compression", "Fitting", "Transformers"]),
        .testTarget(
            name: "tesseraTests", dependencies: ["tessera", "Benchmarking", "Compression", "Fitting", "ModelFiles", "StructuredMatrices", "Tensors"], resources: [.copy("Resources")]),
    ],
    cLanguageStandard: .c11
)
