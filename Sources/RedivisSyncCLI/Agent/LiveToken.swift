import MappingConfig
import SyncCore
import Synchronization
import SystemPackage

/// The token that requests carry now. A rotated token file is used without a restart; while it cannot be read, the
/// last token stays.
final class LiveToken: Sendable {
    private let environment: AgentEnvironment
    private let settings: AgentSettings
    private let mappingFile: FilePath
    // Read for each request, on any task.
    private let secret: Mutex<Secret>

    init(_ token: AgentEnvironment.FoundToken, _ setup: Setup) {
        environment = setup.environment
        settings = setup.configuration.settings
        mappingFile = setup.file.path
        secret = Mutex(token.secret)
    }

    var current: Secret { secret.withLock { $0 } }

    /// Reads it again.
    /// - Returns: whether it is another one by now.
    /// - Throws: why it cannot be read.
    func refresh() throws(TokenProblem) -> Bool {
        let found = try environment.token(settings, mappingFile: mappingFile).secret
        return secret.withLock { secret in
            defer { secret = found }
            return secret != found
        }
    }
}
