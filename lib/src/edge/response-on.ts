/** A response to a request whose connection Node has handed over because the client asked to leave HTTP. */
import http from "node:http";
import type { Socket } from "node:net";

export function responseOn(request: http.IncomingMessage, socket: Socket): http.ServerResponse {
  const response = new http.ServerResponse(request);
  response.shouldKeepAlive = false;
  response.assignSocket(socket);
  socket.on("error", () => undefined); // its close is what counts
  socket.on("drain", () => response.emit("drain")); // Node's server no longer listens
  response.once("finish", () => socket.end());
  return response;
}
