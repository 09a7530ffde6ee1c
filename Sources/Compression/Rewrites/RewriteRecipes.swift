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
    ]

    public static var names: [String] { files.map(\.name) }

    /// All of them, in order.
    /// - Throws: `CompressionError.recipeUnreadable`, which a test sees to it never happens.
    public static func all() throws -> [RewriteRecipe] {
        try files.map { try RewriteRecipe(yaml: String(decoding: $0.bytes, as: UTF8.self), file: $0.name) }
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
