import Foundation

/// The recipes that ship: the files of the folder `Shipped`, built into the program, each registered here once.
public enum MethodRecipes {
    private static let files: [(name: String, bytes: [UInt8])] = [
        ("svd", PackageResources.svd_yaml),
        ("randomized-svd", PackageResources.randomized_svd_yaml),
        ("svd-llm", PackageResources.svd_llm_yaml),
        ("block-diagonal", PackageResources.block_diagonal_yaml),
        ("block-shuffle", PackageResources.block_shuffle_yaml),
        ("block-dense", PackageResources.block_dense_yaml),
        ("monarch", PackageResources.monarch_yaml),
        ("blast", PackageResources.blast_yaml),
        ("round-to-nearest-8bit", PackageResources.round_to_nearest_8bit_yaml),
        ("gptq-4bit", PackageResources.gptq_4bit_yaml),
        ("gptq-3bit", PackageResources.gptq_3bit_yaml),
        ("ptqtp", PackageResources.ptqtp_yaml),
        ("magnitude-2of4", PackageResources.magnitude_2of4_yaml),
        ("wanda-2of4", PackageResources.wanda_2of4_yaml),
        ("wanda", PackageResources.wanda_yaml),
        ("fwsvd", PackageResources.fwsvd_yaml),
        ("svd-llm-v2", PackageResources.svd_llm_v2_yaml),
        ("afm", PackageResources.afm_yaml),
        ("interpolative", PackageResources.interpolative_yaml),
        ("ldu", PackageResources.ldu_yaml),
        ("btt", PackageResources.btt_yaml),
        ("kronecker", PackageResources.kronecker_yaml),
        ("tucker", PackageResources.tucker_yaml),
        ("householder", PackageResources.householder_yaml),
        ("permuted-block-diagonal", PackageResources.permuted_block_diagonal_yaml),
        ("circulant", PackageResources.circulant_yaml),
        ("toeplitz", PackageResources.toeplitz_yaml),
        ("gptq-asymmetric-4bit", PackageResources.gptq_asymmetric_4bit_yaml),
        ("gptq-asymmetric-2bit", PackageResources.gptq_asymmetric_2bit_yaml),
        ("nf4", PackageResources.nf4_yaml),
        ("lq-lora", PackageResources.lq_lora_yaml),
        ("eora", PackageResources.eora_yaml),
        ("sparsegpt", PackageResources.sparsegpt_yaml),
        ("sparsegpt-2of4", PackageResources.sparsegpt_2of4_yaml),
        ("sparsegpt-refit", PackageResources.sparsegpt_refit_yaml),
        ("sparsegpt-refit-2of4", PackageResources.sparsegpt_refit_2of4_yaml),
        ("icbs", PackageResources.icbs_yaml),
        ("icbs-2of4", PackageResources.icbs_2of4_yaml),
        ("icbs-4of8", PackageResources.icbs_4of8_yaml),
        ("sparsebytenn", PackageResources.sparsebytenn_yaml),
        ("godec", PackageResources.godec_yaml),
        ("robust-pca", PackageResources.robust_pca_yaml),
        ("oats", PackageResources.oats_yaml),
        ("armor", PackageResources.armor_yaml),
        ("cospadi", PackageResources.cospadi_yaml),
        ("compot", PackageResources.compot_yaml),
        ("dsformer", PackageResources.dsformer_yaml),
        ("dsformer-stf", PackageResources.dsformer_stf_yaml),
        ("butterfly", PackageResources.butterfly_yaml),
        ("gaudi-gblr", PackageResources.gaudi_gblr_yaml),
        ("ptqtp-tied", PackageResources.ptqtp_tied_yaml),
    ]

    public static var names: [String] { files.map(\.name) }

    /// All of them, in order.
    /// - Throws: `CompressionError.recipeUnreadable`, which a test sees to it never happens.
    public static func all() throws -> [MethodRecipe] {
        try files.map { try MethodRecipe(yaml: String(decoding: $0.bytes, as: UTF8.self), file: $0.name) }
    }

    /// The shipped recipe of a name, or the recipe in a file.
    /// - Throws: `CompressionError.unknownRecipe`, `.recipeUnreadable`, `TensorError.fileNotReadable`.
    public static func named(_ name: String) throws -> MethodRecipe {
        if let file = files.first(where: { $0.name == name }) {
            return try MethodRecipe(yaml: String(decoding: file.bytes, as: UTF8.self), file: file.name)
        }
        guard name.hasSuffix(".yaml") || name.hasSuffix(".yml") else {
            throw CompressionError.unknownRecipe(name: name, known: names)
        }
        return try MethodRecipe.read(file: name)
    }
}
