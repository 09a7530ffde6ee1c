import StructuredMatrices

/// Every fitter there is with its default options, each registered here once.
public enum Fitters {
    public static let all: [any Fitter] = [
        TruncatedSVDFitter(),
        RandomizedSVDFitter(),
        ActivationSVDFitter(),
        BlockDiagonalFitter(),
        BlockShuffleFitter(),
        BlockDenseFitter(),
        MonarchFitter(),
        BLASTFitter(),
        BLASTGradientFitter(),
        QuantizedFitter(),
        NMMagnitudeFitter(),
        SparseMagnitudeFitter(),
        TritPlaneFitter(),
        FisherSVDFitter(),
        FeatureMimickingFitter(),
        ActivationEigenFitter(),
        InterpolativeFitter(),
        LDUFitter(),
        ToeplitzFitter(),
        BlockCirculantFitter(),
        RoundToNearestFitter<Quantized>(),
        ScaleSearchFitter<Quantized>(),
        GPTQFitter<Quantized>(),
        RoundToNearestFitter<AsymmetricQuantized>(),
        ScaleSearchFitter<AsymmetricQuantized>(),
        GPTQFitter<AsymmetricQuantized>(),
        AsymmetricQuantizedFitter(),
        NormalFloatFitter(),
        NMSparseFitter<WandaPruning>(),
        NMSparseFitter<SparseGPTPruning>(),
        NMSparseFitter<RefittedPruning<WandaPruning>>(),
        NMSparseFitter<RefittedPruning<SparseGPTPruning>>(),
        NMSparseFitter<CombinatorialPruning>(),
        SparseRowsFitter<WandaPruning>(),
        SparseRowsFitter<SparseGPTPruning>(),
        SparseRowsFitter<RefittedPruning<SparseGPTPruning>>(),
        SparseRowsFitter<CombinatorialPruning>(),
        GroupSparseFitter<WandaPruning>(),
        GroupSparseFitter<RefittedPruning<WandaPruning>>(),
        GroupSparseFitter<RefittedPruning<SparseGPTPruning>>(),
        GroupSparseFitter<CombinatorialPruning>(),
        EoRAFitter(),
        LQLoRAFitter(),
        RobustPCAFitter(),
        GoDecFitter(),
        OATSFitter(),
        CoSpaDiFitter(),
        COMPOTFitter(),
        DSFormerFitter(),
        ARMORFitter(),
        QuantizedFactorsFitter(),
    ]

    public static var methods: [FittingMethod] { all.map(\.method) }

    /// The fitter of that name, nil when there is none.
    public static func fitter(named name: String) -> (any Fitter)? { all.first { $0.method.name == name } }
}
