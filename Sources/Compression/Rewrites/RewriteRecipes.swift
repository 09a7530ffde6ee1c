/// The recipes that ship of methods that narrow coupled matrices, each registered here once.
public enum RewriteRecipes {
    private static let files: [(name: String, bytes: [UInt8])] = [
        ("modegpt", PackageResources.modegpt_yaml),
        ("modegpt-neurons", PackageResources.modegpt_neurons_yaml),
        ("narrow", PackageResources.narrow_yaml),
        ("obspa", PackageResources.obspa_yaml),
        ("ziplm", PackageResources.ziplm_yaml),
        ("flap", PackageResources.flap_yaml),
        ("flap-without-bias", PackageResources.flap_without_bias_yaml),
        ("cfsp", PackageResources.cfsp_yaml),
        ("nirvana", PackageResources.nirvana_yaml),
        ("nvit", PackageResources.nvit_yaml),
        ("magnitude-units", PackageResources.magnitude_units_yaml),
        ("block-drop", PackageResources.block_drop_yaml),
        ("slicegpt", PackageResources.slicegpt_yaml),
        ("slicegpt-tied", PackageResources.slicegpt_tied_yaml),
        ("slice", PackageResources.slice_yaml),
        ("slice-coordinates", PackageResources.slice_coordinates_yaml),
        ("matryoshka-kv", PackageResources.matryoshka_kv_yaml),
        ("matryoshka-kv-uniform", PackageResources.matryoshka_kv_uniform_yaml),
        ("factor-llm", PackageResources.factor_llm_yaml),
        ("experts", PackageResources.experts_yaml),
    ]

    public static var names: [String] { files.map(\.name) }

    /// All of them, in order.
    /// - Throws: `CompressionError.recipeUnreadable`, which a test sees to it never happens.
    public static func all() throws -> [RewriteRecipe] {
        try files.map { try RewriteRecipe(yaml: String(decoding: $0.bytes, as: UTF8.self), file: $0.name) }
    }

    /// The shipped recipe of a name, or the recipe in a YAML file; nil for what is of the other kind, or unknown.
    /// - Throws: `CompressionError.recipeUnreadable`, `TensorError.fileNotReadable`.
    public static func recipe(_ name: String) throws -> RewriteRecipe? {
        if names.contains(name) { return try named([name]).first }
        guard name.hasSuffix(".yaml") || name.hasSuffix(".yml") else { return nil }
        let text = try RecipeFields.text(file: name)
        return RewriteRecipe.describes(text) ? try RewriteRecipe(yaml: text, file: name) : nil
    }

    /// Some of them by name.
    /// - Throws: `CompressionError.unknownRecipe`, `.recipeUnreadable`.
    public static func named(_ names: [String]) throws -> [RewriteRecipe] {
        let all = try all()
        return try names.map { name in
            guard let recipe = all.first(where: { $0.name == name }) else {
                throw CompressionError.unknownRecipe(name: name, known: Self.names)
            }
            return recipe
        }
    }
}
