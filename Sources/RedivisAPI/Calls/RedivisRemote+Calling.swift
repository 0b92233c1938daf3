import Logging
import NIOHTTP1
import SyncCore
import Synchronization

extension RedivisRemote {
    /// In bytes. Listings may be long; everything else that the API answers is small.
    static let listingLimit = 64 << 20
    static let resourceLimit = 4 << 20

    func answers(_ asked: String) -> APIAnswers {
        APIAnswers(asked: asked, now: wallClock(), secrets: [token().revealed], tokenScope: tokenScope)
    }

    /// One request to the API, sent once, when its turn has come (`api_rate`).
    func call(
        _ method: HTTPMethod, _ address: WebAddress, body: WebRequest.Body = .empty, limit: Int = resourceLimit
    ) async throws(SendTrouble) -> WebAnswer {
        do throws(CancellationError) {
            try await pacer.turn()
        } catch {
            throw .transport(TransportTrouble(.nothingSent, "the request was interrupted"))
        }
        let answer: WebAnswer
        do throws(SendTrouble) {
            // The token is read last: it may be another one after a wait.
            let fields: [(String, String)]
            do throws(Failure) { fields = try self.fields(for: address) } catch { throw .failure(error) }
            answer = try await api.perform(
                WebRequest(method: method, address: address, fields: fields, body: body, bodyLimit: limit))
        } catch {
            pacer.unanswered()
            throw error
        }
        pacer.answered(RateLimitReport(answer, now: wallClock()))
        note(answer)
        logger.trace(
            "Redivis answered",
            metadata: ["method": "\(method)", "path": "\(address.target)", "status": "\(answer.status)"])
        return answer
    }

    /// The same, of a request that changes nothing or may be carried out twice: what is unclear is `transient`.
    func repeatable(
        _ method: HTTPMethod, _ address: WebAddress, body: WebRequest.Body = .empty, _ answers: APIAnswers
    ) async throws(Failure) -> WebAnswer {
        do throws(SendTrouble) {
            return try await call(method, address, body: body)
        } catch {
            throw answers.failure(error)
        }
    }

    /// `GET`, sent again at once where the connection was closed under it: a pooled one may have been dead before.
    func get(
        _ address: WebAddress, limit: Int = resourceLimit, _ answers: APIAnswers
    ) async throws(Failure) -> WebAnswer {
        do throws(SendTrouble) {
            return try await call(.GET, address, limit: limit)
        } catch {
            guard case .transport(let trouble) = error, trouble.isClosedConnection, !Task.isCancelled else {
                throw answers.failure(error)
            }
        }
        do throws(SendTrouble) {
            return try await call(.GET, address, limit: limit)
        } catch {
            throw answers.failure(error)
        }
    }

    /// `GET` of a list's page, in smaller pages from then on where the server refuses large ones.
    func getPage<Element: Decodable & Sendable>(
        of type: Element.Type, at path: String, page: String?, _ answers: APIAnswers
    ) async throws(Failure) -> (answer: WebAnswer, page: Page<Element>?) {
        let size = memory.withLock(\.pageSize)
        let query = [("maxResults", String(size))] + (page.map { [("pageToken", $0)] } ?? [])
        let answer = try await get(apiAddress(path, query: query), limit: Self.listingLimit, answers)
        if answer.status == 400, size > Self.pageSizes.small {
            memory.withLock { $0.pageSize = Self.pageSizes.small }
            return try await getPage(of: type, at: path, page: page, answers)
        }
        guard answer.status != 404 else { return (answer, nil) }
        return (answer, try answers.read(Page<Element>.self, from: answer))
    }
}

extension APIAnswers {
    func failure(_ trouble: SendTrouble) -> Failure {
        switch trouble {
        case .transport(let trouble): failure(trouble)
        case .failure(let failure): failure
        }
    }
}
