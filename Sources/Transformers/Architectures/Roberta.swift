import ModelFiles

extension Architecture {
    /// RoBERTa (Liu et al. 2019): BERT whose positions are counted from the padding's id on.
    static let roberta = Architecture(name: "roberta") { folder, tensors in
        try TransformerEncoder(
            configuration: BertConfiguration(folder.configuration), layout: folder.embeddingLayout(), tensors: tensors)
    }
}
