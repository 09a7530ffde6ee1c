import ModelFiles

extension Architecture {
    /// RoBERTa (Liu et al. 2019): BERT whose positions are counted from the padding's id on.
    static let roberta = Architecture(name: "roberta") { file, layout, tensors in
        try TransformerEncoder(
            configuration: BertConfiguration(file), layout: layout(), tensors: tensors)
    }
}
