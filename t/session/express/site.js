// site.js - an Express site that counts each visitor's clicks. Nothing in it knows of Holdfast: the store is what npm gives.
//
// usage: node site.js PORT MEMCACHED_SERVER connect-memcached|connect-memjs PREFIX COOKIE_SECONDS

const express = require('express');
const session = require('express-session');

const [port, server, storeName, prefix, cookieSeconds] = process.argv.slice(2);

const stores = {
  'connect-memcached': () => new (require('connect-memcached')(session))({ hosts: [server], prefix }),
  'connect-memjs': () => new (require('connect-memjs')(session))({ servers: [server], prefix }),
};

const app = express();
app.use(session({
  store: stores[storeName](),
  secret: 'keyboard cat',
  resave: false,
  saveUninitialized: false,
  cookie: { maxAge: Number(cookieSeconds) * 1000 },
}));

const greet = (request, response) => response.type('text/plain').send(
  request.session.name ? `${request.session.name} ${request.session.clicks}` : 'nobody');

app.post('/login', (request, response, next) => request.session.regenerate((error) => {
  if (error) return next(error);
  request.session.name = request.query.name;
  request.session.clicks = 0;
  greet(request, response);
}));

app.get('/view', greet);

app.get('/click', (request, response) => {
  if (request.session.name) request.session.clicks += 1;
  greet(request, response);
});

app.post('/logout', (request, response, next) => request.session.destroy((error) => {
  if (error) return next(error);
  response.type('text/plain').send('bye');
}));

app.listen(Number(port), '127.0.0.1');
