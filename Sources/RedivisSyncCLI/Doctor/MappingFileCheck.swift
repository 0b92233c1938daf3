import MappingConfig
import SyncCore

/// The mapping file: found, valid, and apart from what it maps.
enum MappingFileCheck {
    /// - Parameter standsIn: whether the last good one was taken in its place for everything that follows.
    static func check(_ failure: CommandFailure, standsIn: Bool) -> DoctorCheck {
        let more = failure.lines.count > 1 ? " (and \(Words.count(failure.lines.count - 1, "more problem")))" : ""
        let finding = (failure.lines.first ?? "it is not valid") + more
        let rest = standsIn ? "the checks below go by the last good one" : "the checks below go by the defaults"
        return .problem(.mappingFile, finding, "redivis-sync check shows all of it; \(rest)")
    }

    static func check(_ setup: Setup) -> [DoctorCheck] {
        let count = Words.count(setup.configuration.mappings.count, "mapping")
        return [.ok(.mappingFile, "\(PathText(setup.file.path.bytes).text), \(count)")]
    }

    /// Something of the agent's own lies in a mapped folder.
    static func check(_ own: CommandFailure) -> [DoctorCheck] {
        own.lines.map { .problem(.mappingFile, $0, "nothing of the agent's own may be uploaded") }
    }
}
